"""Planes painted along other axes, as slices of a turned volume.

Cicek et al. 2016 annotate a slice in each direction. A network that works slice by slice
learns little from an XZ plane cut into single rows; turned, it is a slice like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.annotations import Annotations, sum_slices
from napari_densify.core.blocks import Region
from napari_densify.core.labels import UNLABELLED, count_labels
from napari_densify.core.turning import IN_PLACE, TURNS, Turn, turn_triple, turned_volume
from napari_densify.training.paint import TrainingSource

__all__ = ["find_planes", "turn_sources"]

# Share of a plane from which on it counts as painted, not as crossed by other planes.
_PAINTED = 0.3
# Share of the volume from which on neighbouring planes are a painted block, whose slices
# are learned: a few planes beside each other are planes.
_BLOCK = 0.25


@dataclass(frozen=True)
class Planes:
    """Indices of the planes that are painted along each axis, and of Z slices with strokes."""

    along: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    strokes: tuple[int, ...]


class SomeSlices:
    """Annotations of some slices of a turned volume, blank in all others."""

    def __init__(
        self,
        whole: Annotations,
        slices: Sequence[int],
        turn: Turn = IN_PLACE,
        held_out: Sequence[int] = (),
    ) -> None:
        self._whole, self._turn = whole, turn
        self._slices, self._held_out = sorted(slices), tuple(held_out)
        self.shape = turn_triple(whole.shape, turn)

    def read(self, region: Region) -> npt.NDArray[Any]:
        """Read a region as ``(Z, Y, X)`` label codes."""
        z, y, x = region
        kept = [i for i in self._slices if z.start <= i < z.stop]
        out = np.zeros([s.stop - s.start for s in region], np.uint16)
        for i in kept:
            out[i - z.start] = self._plane(i, y, x)
        return out

    def painted_boxes(self) -> list[Region]:
        """One tight box for each slice that holds paint."""
        boxes: list[Region] = []
        _, height, width = self.shape
        for i in self._slices:
            painted = self._plane(i, slice(0, height), slice(0, width)) != UNLABELLED
            rows, columns = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
            if rows.size:
                y = slice(int(rows[0]), int(rows[-1]) + 1)
                x = slice(int(columns[0]), int(columns[-1]) + 1)
                boxes.append((slice(i, i + 1), y, x))
        return boxes

    def counts(self) -> dict[int, int]:
        """Annotated voxels per class code."""
        return sum_slices(self.slice_counts())

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per class code, for each slice that has any."""
        _, height, width = self.shape
        planes = {i: self._plane(i, slice(0, height), slice(0, width)) for i in self._slices}
        return {i: row for i, plane in planes.items() if (row := count_labels(plane))}

    def _plane(self, i: int, y: slice, x: slice) -> npt.NDArray[Any]:
        box = turn_triple((slice(i, i + 1), y, x), self._turn)
        part = np.array(self._whole.read(box))
        for z in self._held_out:
            if box[0].start <= z < box[0].stop:
                part[z - box[0].start] = UNLABELLED
        plane: npt.NDArray[Any] = part.transpose(self._turn)[0]
        return plane


def turn_sources(
    sources: Sequence[TrainingSource], held_out: Sequence[int]
) -> tuple[list[TrainingSource], list[int]]:
    """Split paint by the axis that its planes stand on.

    Parameters
    ----------
    sources
        Volumes with their paint.
    held_out
        Z slices whose paint nobody may see.

    Returns
    -------
    The sources, in their order, then turned ones; and for each which one it came from.
    A source without planes along other axes is returned as it is.
    """
    straight: list[TrainingSource] = []
    turned: list[tuple[TrainingSource, int]] = []
    for number, source in enumerate(sources):
        planes = find_planes(source.annotations)
        if not (planes.along[1] or planes.along[2]):
            straight.append(source)
            continue
        kept = sorted({*planes.along[0], *planes.strokes})
        straight.append(TrainingSource(source.volume, SomeSlices(source.annotations, kept)))
        for turn, slices in zip(TURNS, planes.along[1:], strict=True):
            if slices:
                volume = turned_volume(source.volume, turn)
                paint = SomeSlices(source.annotations, slices, turn, held_out)
                turned.append((TrainingSource(volume, paint, turned=True), number))
    origins = [*range(len(sources)), *(number for _, number in turned)]
    return [*straight, *(source for source, _ in turned)], origins


def find_planes(annotations: Annotations) -> Planes:
    """Find planes of which a good part is painted; reads nothing but paint."""
    depth, height, width = annotations.shape
    sums = {z: sum(row.values()) for z, row in annotations.slice_counts().items()}
    dense = {z for z, n in sums.items() if n >= _PAINTED * height * width}
    if len(dense) == len(sums):
        return Planes((tuple(sorted(dense)), (), ()), ())
    spots = _open_paint(annotations, dense)
    left = max(depth - len(dense), 1)
    rows = _alone(np.bincount(spots[1], minlength=height) >= _PAINTED * left * width)
    spots = spots[:, ~np.isin(spots[1], rows)]
    columns = _alone(np.bincount(spots[2], minlength=width) >= _PAINTED * left * height)
    spots = spots[:, ~np.isin(spots[2], columns)]
    strokes = tuple(np.unique(spots[0]).tolist())
    return Planes((tuple(sorted(dense)), tuple(rows.tolist()), tuple(columns.tolist())), strokes)


def _alone(painted: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Find painted planes that stand alone, not in a block of them."""
    found = np.flatnonzero(painted)
    runs = np.split(found, np.flatnonzero(np.diff(found) > 1) + 1)
    thin = [run for run in runs if len(run) < max(2, _BLOCK * len(painted))]
    return np.concatenate([found[:0], *thin])


def _open_paint(annotations: Annotations, dense: set[int]) -> npt.NDArray[np.int32]:
    """Coordinates ``(3, N)`` of annotated voxels outside densely painted slices."""
    found = [np.zeros((3, 0), np.int32)]
    for box in annotations.painted_boxes():
        spots = np.array(np.nonzero(annotations.read(box)), np.int32)
        spots += np.array([[s.start] for s in box], np.int32)
        found.append(spots[:, ~np.isin(spots[0], list(dense))])
    return np.concatenate(found, axis=1)
