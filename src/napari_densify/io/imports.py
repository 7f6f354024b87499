"""Annotations from elsewhere: what is in them, what it becomes, and then the labels.

Three steps, so that nobody is surprised: :func:`read_import` says which values,
colours or categories a file holds, :func:`plan_import` proposes what each becomes
(the user may change it), :meth:`ImportPlan.count` previews the voxels, and
:func:`apply_import` gives the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.core.labels import UNLABELLED, ClassTable, LabelClass, label_dtype
from napari_densify.core.volume import ArrayLike, Volume
from napari_densify.io import coco, drawings, ilastik
from napari_densify.io._address import parse_address
from napari_densify.io._import_source import ImportItem, ImportSource
from napari_densify.io._labels import LabelArray
from napari_densify.io.import_table import Wish
from napari_densify.io.opening import open_image

__all__ = [
    "ImportItem",
    "ImportPlan",
    "ImportRow",
    "ImportSource",
    "apply_import",
    "plan_import",
    "read_import",
    "scan_labels",
]

MOST_CLASSES = 255


def read_import(address: str | Path, *, shape: tuple[int, int, int] | None = None) -> ImportSource:
    """Open annotations of any kind and list what they hold.

    Label images (any format), colour-coded masks (RGB), ilastik projects (.ilp), COCO
    files (.json), and napari's shapes and points (.csv) are recognised.

    Parameters
    ----------
    address
        File, folder of masks, or ``FILE::dataset``.
    shape
        Shape (Z, Y, X) of the image; needed for shapes, points, and an ilastik project that
        does not state it.

    Raises
    ------
    InputError
        If it cannot be read, or holds too many values or colours to be classes.
    """
    found = parse_address(address)
    name = found.path.lower()
    if name.endswith(".json"):
        return coco.read_coco(found)
    if name.endswith(".ilp"):
        return ilastik.read_ilastik(found, shape)
    if name.endswith(".csv"):
        return drawings.read_napari_csv(found, shape)
    return scan_labels(open_image(address))


def scan_labels(volume: Volume) -> ImportSource:
    """List what a volume of labels or of colours holds.

    Raises
    ------
    InputError
        If it holds too many values or colours to be classes.
    """
    if volume.channels >= 3:
        return _scanned(volume, _ColourCodes(volume), "colour-coded mask")
    return _scanned(volume, LabelArray(volume.data, where=volume.source), "label image")


class _ColourCodes:
    """RGB voxels as one number each, 0xRRGGBB."""

    def __init__(self, volume: Volume) -> None:
        if volume.dtype != np.uint8:
            raise InputError(
                f"colours of type {volume.dtype}", where=volume.source, mend="save 8-bit RGB"
            )
        self._volume = volume
        self.shape, self.dtype = volume.shape, np.dtype(np.uint32)

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[np.uint32]:
        red, green, blue = self._volume.data[(slice(0, 3), *key)].astype(np.uint32)
        codes: npt.NDArray[np.uint32] = red << 16 | green << 8 | blue
        return codes


def _scanned(volume: Volume, codes: ArrayLike, kind: str) -> ImportSource:
    """List the codes of a volume, slice by slice."""
    counts: dict[int, int] = {}
    colours = isinstance(codes, _ColourCodes)
    for plane in _planes(codes):
        values, numbers = np.unique(plane, return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + number
        if len(counts) > MOST_CLASSES + 1:
            raise InputError(
                f"more than {MOST_CLASSES} different {'colours' if colours else 'values'}",
                where=volume.source,
                mend="a photograph or smoothed mask? Save it as PNG without smoothing"
                if colours
                else "these look like object numbers, not classes",
            )
    table = volume.metadata.get("classes") or ClassTable(classes=())
    items = tuple(
        ImportItem(code, f"#{code:06x}", "", f"#{code:06x}", counts[code])
        if colours
        else ImportItem(code, f"value {code}", *_known(table, code), counts[code])
        for code in sorted(counts)
    )
    return ImportSource(kind, volume.source, codes, items, volume.spacing, volume.spacing_known)


def _known(table: ClassTable, value: int) -> tuple[str, str]:
    return next(((c.name, c.color) for c in table.classes if c.value == value), ("", ""))


def _planes(codes: ArrayLike) -> Iterator[npt.NDArray[Any]]:
    full = (slice(None), slice(None))
    for z in range(codes.shape[0]):
        yield np.asarray(codes[(slice(z, z + 1), *full)])


@dataclass(frozen=True)
class ImportRow:
    """What one value, colour or category becomes.

    Attributes
    ----------
    item
        What the file holds.
    value
        Class it becomes; 0 is unlabelled.
    name, color
        Of that class.
    background
        Whether that class is the background.
    """

    item: ImportItem
    value: int
    name: str = ""
    color: str = ""
    background: bool = False


@dataclass(frozen=True)
class ImportPlan:
    """What each item of a file becomes; change it with :meth:`with_value`."""

    rows: tuple[ImportRow, ...]

    def with_value(self, code: int, value: int) -> ImportPlan:
        """Return the plan with another class (or 0) for an item.

        Raises
        ------
        InputError
            If the file holds no such item.
        """
        if code not in {row.item.code for row in self.rows}:
            raise InputError(f"the file holds no value {code}")
        like = next((row for row in self.rows if row.value == value and value), None)
        changed = tuple(
            replace(
                row,
                value=value,
                name=like.name if like else "",
                color=like.color if like else "",
                background=like.background if like else False,
            )
            if row.item.code == code
            else row
            for row in self.rows
        )
        return ImportPlan(changed)

    def with_wishes(self, wishes: Iterable[Wish]) -> ImportPlan:
        """Return the plan with what the user wants of some items, named as the file has them.

        Raises
        ------
        InputError
            If the file holds no such item.
        """
        plan = self
        for wish in wishes:
            code = plan.find(wish.item)
            plan = plan.with_value(code, wish.value)
            if wish.name and wish.value:
                plan = plan.with_name(wish.value, wish.name)
        return plan

    def with_name(self, value: int, name: str) -> ImportPlan:
        """Return the plan with another name for a class."""
        rows = (replace(row, name=name) if row.value == value else row for row in self.rows)
        return ImportPlan(tuple(rows))

    def find(self, item: str) -> int:
        """Code of an item that is named by its number, colour, key or name.

        Raises
        ------
        InputError
            If the file holds no such item.
        """
        wanted = item.strip().lower()
        for row in self.rows:
            known = (str(row.item.code), row.item.key, row.item.name)
            if wanted in {text.lower() for text in known if text}:
                return row.item.code
        held = ", ".join(row.item.key for row in self.rows[:12])
        raise InputError(f"the file holds no {item!r}", mend=f"it holds: {held}")

    @property
    def classes(self) -> ClassTable:
        """Class table of the result."""
        rows = {row.value: row for row in reversed(self.rows) if row.value != UNLABELLED}
        plain = {c.value: c for c in ClassTable.from_values(rows).classes}
        return ClassTable(
            classes=tuple(
                LabelClass(
                    value=value,
                    name=rows[value].name or plain[value].name,
                    color=rows[value].color or plain[value].color,
                    key=plain[value].key,
                    background=rows[value].background,
                )
                for value in sorted(rows)
            )
        )

    def count(self) -> Mapping[str, int]:
        """Voxels that become ``unlabelled``, ``background`` and each class, by name."""
        table = self.classes
        totals = {"unlabelled": 0} | {c.name: 0 for c in table.classes}
        for row in self.rows:
            key = "unlabelled" if row.value == UNLABELLED else table.name(row.value)
            totals[key] += row.item.voxels
        return totals


def plan_import(
    source: ImportSource, *, zero: Literal["unlabelled", "background"] = "unlabelled"
) -> ImportPlan:
    """Propose what each item becomes.

    Parameters
    ----------
    source
        From :func:`read_import`.
    zero
        What 0, black or "outside every polygon" means. ``background`` makes it
        class 1 and moves the others up by one.

    Notes
    -----
    Values of label images keep their number; colours and categories are numbered
    in order. A mask of 0 and one other value (0/1, 0/255) gives class 1 or, with
    ``zero="background"``, background and class 2.
    """
    shift = int(zero == "background")
    others = [item for item in source.items if item.code]
    keep = source.kind != "colour-coded mask" and max((i.code for i in others), default=0) <= (
        MOST_CLASSES - shift
    )
    rows = [
        ImportRow(item, (item.code if keep and len(others) > 1 else number) + shift, item.name,
                  item.color)
        for number, item in enumerate(others, start=1)
    ]  # fmt: skip
    for item in source.items:
        if item.code == 0:
            name = "background" if shift else ""
            rows.insert(0, ImportRow(item, shift, name, background=bool(shift)))
    return ImportPlan(tuple(rows))


class _Mapped:
    """Codes of a file as label values, piece by piece."""

    def __init__(self, codes: ArrayLike, plan: ImportPlan) -> None:
        self._codes = codes
        pairs = sorted((row.item.code, row.value) for row in plan.rows)
        self._from = np.array([code for code, _ in pairs], np.int64)
        self.dtype = label_dtype(max(value for _, value in pairs))
        self._to = np.array([value for _, value in pairs], self.dtype)
        self.shape = tuple(codes.shape)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        codes = np.asarray(self._codes[key])
        at = np.minimum(np.searchsorted(self._from, codes), len(self._from) - 1)
        labels: npt.NDArray[Any] = np.where(self._from[at] == codes, self._to[at], UNLABELLED)
        return labels.astype(self.dtype)


def apply_import(source: ImportSource, plan: ImportPlan) -> Volume:
    """Give the labels that a plan makes of a file, read piece by piece.

    Raises
    ------
    InputError
        If the file holds nothing.
    """
    if not plan.rows:
        raise InputError("holds no annotation", where=source.source)
    return Volume(
        data=_Mapped(source.codes, plan),
        spacing=source.spacing,
        spacing_known=source.spacing_known,
        name=Path(source.source.split("::")[0]).stem,
        source=source.source,
        metadata={"classes": plan.classes, "format": source.kind, "notes": ()},
    )
