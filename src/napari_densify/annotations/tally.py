"""What is painted where, kept up chunk by chunk so that no volume is ever scanned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.annotations.chunks import ChunkGrid, ChunkIndex
from napari_densify.core.blocks import Region
from napari_densify.core.labels import UNLABELLED, count_labels

__all__ = ["ChunkTally", "Tally", "tally_chunk"]


@dataclass(frozen=True)
class ChunkTally:
    """What one chunk holds.

    Attributes
    ----------
    counts
        Annotated voxels per class code.
    bounds
        Rows and columns that hold paint: ``(y0, y1, x0, x1)`` relative to the chunk.
    """

    counts: dict[int, int]
    bounds: tuple[int, int, int, int]


def tally_chunk(chunk: npt.NDArray[Any]) -> ChunkTally | None:
    """Count a ``(1, Y, X)`` chunk; None if nothing is painted in it."""
    counts = count_labels(chunk)
    if not counts:
        return None
    painted = chunk[0] != UNLABELLED
    rows, columns = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
    bounds = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
    return ChunkTally(counts, bounds)


class Tally:
    """Tallies of all painted chunks, with running totals per slice and class."""

    def __init__(self, grid: ChunkGrid) -> None:
        self._grid = grid
        self._slices: dict[int, dict[ChunkIndex, ChunkTally]] = {}
        self._totals: dict[int, Counter[int]] = {}

    def __contains__(self, index: ChunkIndex) -> bool:
        return index in self._slices.get(index[0], ())

    def copy(self) -> Tally:
        """Return an independent copy."""
        other = Tally(self._grid)
        other._slices = {z: dict(chunks) for z, chunks in self._slices.items()}
        other._totals = {z: Counter(totals) for z, totals in self._totals.items()}
        return other

    def set(self, index: ChunkIndex, tally: ChunkTally | None) -> None:
        """Note what a chunk holds now (None: nothing)."""
        chunks = self._slices.setdefault(index[0], {})
        totals = self._totals.setdefault(index[0], Counter())
        old = chunks.pop(index, None)
        if old is not None:
            totals.subtract(old.counts)
        if tally is not None:
            chunks[index] = tally
            totals.update(tally.counts)
        if not chunks:
            del self._slices[index[0]], self._totals[index[0]]

    def items(self) -> Iterable[tuple[ChunkIndex, ChunkTally]]:
        """Every painted chunk, slice by slice."""
        for z in sorted(self._slices):
            yield from sorted(self._slices[z].items())

    def counts(self) -> dict[int, int]:
        """Annotated voxels per class code."""
        total: Counter[int] = Counter()
        for row in self._totals.values():
            total.update(row)
        return _plain(total)

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per class code, for each Z slice that has any."""
        return {z: _plain(self._totals[z]) for z in sorted(self._totals)}

    def boxes(self) -> list[Region]:
        """Disjoint boxes that hold every annotated voxel.

        One tight box a slice where the paint of that slice lies close together,
        else one for each painted chunk.
        """
        boxes: list[Region] = []
        for z in sorted(self._slices):
            pieces = [self._box(i, t) for i, t in sorted(self._slices[z].items())]
            whole = _hull(pieces)
            boxes += [whole] if _area(whole) <= 2 * sum(map(_area, pieces)) else pieces
        return boxes

    def _box(self, index: ChunkIndex, tally: ChunkTally) -> Region:
        z, ys, xs = self._grid.region(index)
        y0, y1, x0, x1 = tally.bounds
        return z, slice(ys.start + y0, ys.start + y1), slice(xs.start + x0, xs.start + x1)


def _plain(counts: Counter[int]) -> dict[int, int]:
    return {value: n for value, n in sorted(counts.items()) if n > 0}


def _hull(boxes: list[Region]) -> Region:
    z, y, x = (
        slice(min(b[axis].start for b in boxes), max(b[axis].stop for b in boxes))
        for axis in range(3)
    )
    return z, y, x


def _area(box: Region) -> int:
    area: int = (box[1].stop - box[1].start) * (box[2].stop - box[2].start)
    return area
