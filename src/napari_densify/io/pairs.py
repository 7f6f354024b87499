"""Images and the labels that lie beside them, told by their names.

``A_image.tif`` and ``A_labels.tif``; ``A.tif`` and ``A-mask.png``; ``images/`` and
``labels/`` with slices or with files of the same names; labels inside an OME-Zarr.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from napari_densify.io._address import Address

__all__ = ["Pair", "find_pair", "labels_beside", "without_labels"]

_IMAGE_WORDS = {"image", "images", "img", "imgs", "raw", "volume", "volumes", "stack", "stacks"}
_LABEL_WORDS = (
    "annotations", "annotation", "annot", "paint", "labels", "label", "masks", "mask",
    "segmentation", "seg",
)  # fmt: skip
"""Most likely paint first."""
_OTHER_WORDS = {"truth", "gt", "groundtruth", "prediction", "predictions", "instances"}
"""Neither image nor paint: a truth is there to score with."""

_MOST_ENTRIES = 5000
_PARTS = re.compile(r"[_\-. ]+")


@dataclass(frozen=True)
class Pair:
    """An image and its labels.

    Attributes
    ----------
    image, labels
        Addresses.
    """

    image: str
    labels: str


@dataclass(frozen=True)
class _Entry:
    """A file or folder, and what its name says."""

    path: Path
    folder: bool

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Parts of the name, without its ending."""
        name = self.path.name.lower()
        ending = re.search(r"(\.ome)?(\.[a-z]\w{0,4})(\.gz)?$", name)
        stem = name[: ending.start()] if ending and ending.start() else name
        return tuple(part for part in _PARTS.split(stem) if part)

    @property
    def label_word(self) -> str:
        """Word that makes it a label file; empty if there is none."""
        return next((word for word in _LABEL_WORDS if word in self.words), "")

    @property
    def rest(self) -> tuple[str, ...]:
        """What it has in common with its partner."""
        return tuple(w for w in self.words if w != self.label_word and w not in _IMAGE_WORDS)

    @property
    def is_image(self) -> bool:
        """Whether it may be an image: a folder needs a word that says so."""
        if self.label_word or _OTHER_WORDS & set(self.words):
            return False
        return not self.folder or bool(_IMAGE_WORDS & set(self.words)) or _is_zarr(self.path)


def find_pair(folder: str | Path, suffixes: Sequence[str]) -> Pair | None:
    """Pair that a folder holds, if it holds one image with labels and no other image.

    Parameters
    ----------
    folder
        Local folder, no zarr.
    suffixes
        Endings of files that can be opened.
    """
    entries = _entries(Path(folder), tuple(suffixes))
    images = [e for e in entries if e.is_image]
    if len(images) != 1:
        return None
    labels = _partner(images[0], entries)
    return Pair(str(images[0].path), str(labels.path)) if labels else None


def labels_beside(address: str | Path, suffixes: Sequence[str]) -> str:
    """Address of labels that belong to an image by their name; empty if there are none.

    Parameters
    ----------
    address
        Local image: a file, a folder or a pattern.
    suffixes
        Endings of files that can be opened.
    """
    found = Address(*str(address).split("::", 1))
    if not found.path or found.is_url:
        return ""
    try:
        return _beside(found.file.absolute(), tuple(suffixes)) if found.file.exists() else ""
    except OSError:  # what may not be looked at offers nothing
        return ""


def _beside(path: Path, endings: tuple[str, ...]) -> str:
    if _is_zarr(path):
        return _zarr_labels(path) or _sibling(path, endings)
    if path.is_dir():
        pair = find_pair(path, endings)
        return pair.labels if pair else _labels_of_folder(path, endings)
    return _sibling(path, endings) or _in_twin_folder(path, endings)


def without_labels(files: Sequence[Path]) -> list[Path]:
    """Leave the label files out of slices each of which has one."""
    entries = [_Entry(path, folder=False) for path in files]
    labels = {e.rest for e in entries if e.label_word}
    images = [e for e in entries if e.is_image]
    complete = labels == {e.rest for e in images} and len(images) == len(labels)
    return [e.path for e in images] if labels and complete else list(files)


def _entries(folder: Path, suffixes: tuple[str, ...]) -> list[_Entry]:
    """List files that can be opened, and folders."""
    try:
        with os.scandir(folder) as listing:
            rows = [(e.name, e.is_dir()) for e in islice(listing, _MOST_ENTRIES)]
    except OSError:
        return []
    shown = sorted(row for row in rows if not row[0].startswith("."))
    return [_Entry(folder / n, d) for n, d in shown if d or n.lower().endswith(suffixes)]


def _partner(image: _Entry, entries: Sequence[_Entry]) -> _Entry | None:
    """Find the labels of an image, those first that are paint most likely."""
    fitting = [e for e in entries if e.label_word and e.rest == image.rest]
    fitting.sort(key=lambda e: (_LABEL_WORDS.index(e.label_word), e.path.suffix))
    return fitting[0] if fitting else None


def _sibling(path: Path, suffixes: tuple[str, ...]) -> str:
    image = _Entry(path, path.is_dir())
    found = None if image.label_word else _partner(image, _entries(path.parent, suffixes))
    return str(found.path) if found else ""


def _in_twin_folder(path: Path, suffixes: tuple[str, ...]) -> str:
    """Find ``labels/A.tif`` for ``images/A.tif``."""
    folder = _Entry(path.parent, folder=True)
    if not folder.is_image:
        return ""
    twin = _partner(folder, [e for e in _entries(path.parent.parent, suffixes) if e.folder])
    if twin is None:
        return ""
    image = _Entry(path, folder=False)
    same = (e for e in _entries(twin.path, suffixes) if e.rest == image.rest)
    return next((str(e.path) for e in same), "")


def _labels_of_folder(folder: Path, suffixes: tuple[str, ...]) -> str:
    """Find the labels of a folder of slices: among them, in a folder inside, or beside it."""
    entries = _entries(folder, suffixes)
    files = [e for e in entries if not e.folder]
    if len(without_labels([e.path for e in files])) < len(files):
        return _pattern(folder, [e for e in files if e.label_word])
    inside = next((e for e in entries if e.folder and e.label_word and not e.rest), None)
    return str(inside.path) if inside else _sibling(folder, suffixes)


def _pattern(folder: Path, labels: Sequence[_Entry]) -> str:
    """Write a pattern that names these slices and no others."""
    first = labels[0]
    pattern = f"*{first.label_word}*{first.path.suffix}"
    matched = {p.name.lower() for p in folder.glob(pattern)}
    return (
        str(Path(glob.escape(str(folder))) / pattern)
        if matched == {e.path.name.lower() for e in labels}
        else ""
    )


def _is_zarr(path: Path) -> bool:
    return path.suffix.lower() == ".zarr"


def _zarr_labels(path: Path) -> str:
    """Name the first label image that an OME-Zarr lists."""
    for name, keys in (("zarr.json", ("attributes", "ome", "labels")), (".zattrs", ("labels",))):
        try:
            content = json.loads((path / "labels" / name).read_text(encoding="utf-8"))
            for key in keys:
                content = content[key]
            listed = [n for n in content if Path(n).name == n and (path / "labels" / n).is_dir()]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if listed:
            return f"{path}::labels/{listed[0]}"
    return ""
