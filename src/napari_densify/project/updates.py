"""Paint that a training took up on its way, kept beside the strokes that it began with.

``strokes.zarr`` holds the strokes that a round began with. What came while it was trained
lies beside it, step by step, so that the round can be done again as it was.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.annotations import Annotations, AnnotationStore
from napari_densify.core.blocks import Bounds, Region, bounds_of, region_of, region_shape
from napari_densify.core.files import atomic_write_bytes, remove_tree

__all__ = ["LearnedStrokes", "Repainted", "StrokeUpdates"]


@dataclass(frozen=True)
class Repainted:
    """A box of the annotations as it was after somebody painted there.

    Attributes
    ----------
    region
        Where, as ``(Z, Y, X)`` slices.
    labels
        Label codes of all its voxels; 0 is unlabelled.
    """

    region: Region
    labels: npt.NDArray[Any]


class StrokeUpdates:
    """One file for each step after which a training learned from new strokes.

    Parameters
    ----------
    folder
        Where they are (``models/001/updates``); it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, step: int, regions: Sequence[Region], annotations: Annotations) -> None:
        """Keep what is painted in some regions; the file is written whole or not at all.

        Raises
        ------
        OSError
            If there is no room or no permission.
        """
        arrays: dict[str, Any] = {}
        for number, bounds in enumerate(dict.fromkeys(map(bounds_of, regions))):
            arrays[f"bounds_{number}"] = np.asarray(bounds, np.int64)
            arrays[f"labels_{number}"] = annotations.read(region_of(bounds))
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        self._folder.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(self._folder / f"{step:08d}.npz", content.getvalue())

    def clear(self) -> None:
        """Forget them all: a training begins anew, with all of them."""
        remove_tree(self._folder)

    def read(self) -> Iterator[tuple[int, list[Repainted]]]:
        """Yield every step with what it brought, in order; a damaged file is passed over."""
        files = self._folder.glob("*.npz") if self._folder.is_dir() else ()
        for path in sorted(f for f in files if f.stem.isdecimal()):
            found = _load(path)
            if found:
                yield int(path.stem), found


class LearnedStrokes:
    """All strokes that a round has learned from, those that came on its way too.

    Parameters
    ----------
    began_with
        Strokes that it began with.
    updates
        What came later.
    """

    def __init__(self, began_with: AnnotationStore, updates: StrokeUpdates) -> None:
        self._store = began_with
        self._later = _newest(box for _, boxes in updates.read() for box in boxes)

    def read(self, region: Region) -> npt.NDArray[Any]:
        """Read a region as ``(Z, Y, X)`` label codes."""
        out = self._store.read(region)
        for box in self._later:
            sides = [_shared(a, b) for a, b in zip(region, box.region, strict=True)]
            if all(there.start < there.stop for there, _ in sides):
                out[tuple(s for s, _ in sides)] = box.labels[tuple(s for _, s in sides)]
        return out

    def cover(self, *others: Region) -> list[Region]:
        """Disjoint boxes that hold all these strokes, and whatever lies in ``others``."""
        boxes = [*self._store.painted_boxes(), *(box.region for box in self._later), *others]
        grid = self._store.grid
        return [grid.region(index) for index in sorted({i for b in boxes for i in grid.indices(b)})]


def _newest(boxes: Iterable[Repainted]) -> list[Repainted]:
    """Of boxes painted again and again keep the last state; in order of that."""
    kept: dict[Bounds, Repainted] = {}
    for box in boxes:
        bounds = bounds_of(box.region)
        kept.pop(bounds, None)
        kept[bounds] = box
    return list(kept.values())


def _shared(wanted: slice, stored: slice) -> tuple[slice, slice]:
    """Places that two ranges share, counted from the start of each; empty if there are none."""
    start, stop = max(wanted.start, stored.start), min(wanted.stop, stored.stop)
    return (
        slice(start - wanted.start, stop - wanted.start),
        slice(start - stored.start, stop - stored.start),
    )


def _load(path: Path) -> list[Repainted]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            count = len(stored.files) // 2
            pairs = [(stored[f"bounds_{n}"], stored[f"labels_{n}"]) for n in range(count)]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return []
    found = [Repainted(region_of(bounds.tolist()), labels) for bounds, labels in pairs]
    return [box for box in found if box.labels.shape == region_shape(box.region)]
