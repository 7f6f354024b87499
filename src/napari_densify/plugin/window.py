"""Painting on planes too large for a layer: a window onto the paint that follows the view.

A Labels layer holds the whole plane on screen several times over (voxels, colours,
texture) and copies it at every slice, stroke and undo. Of a plane beyond 4096 voxels a
side the layer therefore gets a part only. Far away it shows every n-th voxel of a larger
part, to look at but not to paint on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.annotations import PaintedArray
from napari_densify.annotations.indexing import select
from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError

__all__ = ["EDGE", "Absolute", "Frame", "PaintWindow", "frame_for", "needs_window"]

EDGE = 4096
"""Longest side of a plane that a layer gets as a whole, in voxels."""

_EDGE_3D = 512
_ALIGN = 256  # chunks of the annotations; a multiple of any step

Triple = tuple[int, int, int]


def needs_window(shape: Sequence[int]) -> bool:
    """Whether a plane of a (Z, Y, X) volume is too large for one layer."""
    return max(shape) > EDGE


@dataclass(frozen=True)
class Frame:
    """Part of a volume that a window shows.

    Attributes
    ----------
    origin
        First voxel along Z, Y, X.
    step
        Every how many-th voxel is shown; paint goes where it is 1 everywhere.
    shape
        Number of voxels shown along Z, Y, X.
    """

    origin: Triple
    step: Triple
    shape: Triple

    @property
    def paintable(self) -> bool:
        """Whether every voxel is shown."""
        return self.step == (1, 1, 1)

    def covers(self, view: Region) -> bool:
        """Whether a box of the volume lies inside."""
        rows = zip(self.origin, self.step, self.shape, view, strict=True)
        return all(o <= v.start and v.stop <= o + s * n for o, s, n, v in rows)

    def box(self, local: Region) -> Region:
        """Voxels of the volume that a box of the window spans."""
        z, y, x = (
            slice(o + r.start * s, o + r.stop * s)
            for o, s, r in zip(self.origin, self.step, local, strict=True)
        )
        return z, y, x


def frame_for(
    shape: Triple, view: Region, displayed: Collection[int], current: Frame | None = None
) -> Frame:
    """Choose the part to show.

    Parameters
    ----------
    shape
        Voxels of the volume along Z, Y, X.
    view
        What is on screen, clipped to the volume.
    displayed
        Axes on screen: two, or three in the 3D view. Along the others the frame holds
        every slice.
    current
        Kept while it covers the view as finely as can be.
    """
    edge = EDGE if len(displayed) == 2 else _EDGE_3D
    seen = {axis: view[axis] if edge == EDGE else slice(0, shape[axis]) for axis in displayed}
    step = 1
    while max(v.stop - v.start for v in seen.values()) > (edge - 1) * step:
        step *= 2
    spans = [_span(n, seen.get(axis), step, edge) for axis, n in enumerate(shape)]
    z, y, x = zip(*spans, strict=True)
    chosen = Frame(z, y, x)
    same = current is not None and (current.step, current.shape) == (chosen.step, chosen.shape)
    return current if same and current is not None and current.covers(view) else chosen


def _span(length: int, seen: slice | None, step: int, edge: int) -> Triple:
    """Origin, step and number of voxels along an axis; ``seen`` is in the middle."""
    if seen is None:
        return 0, 1, length
    if length <= edge * step:
        return 0, step, -(-length // step)
    first = (seen.start + seen.stop - edge * step) // 2 // step * step
    aligned = round(first / _ALIGN) * _ALIGN
    if aligned <= seen.start and seen.stop <= aligned + edge * step:
        first = aligned
    return min(max(0, first), length - edge * step), step, edge


@dataclass(frozen=True)
class Absolute:
    """An index in voxels of the volume, wherever the window is by then."""

    key: Any


class PaintWindow:
    """Array of the part of the paint that a layer shows; moves by a new :attr:`frame`.

    Parameters
    ----------
    paint
        Paint of the whole volume.
    frame
        Part to begin with.
    """

    def __init__(self, paint: PaintedArray, frame: Frame) -> None:
        self.paint = paint
        self.frame = frame
        self.dtype = paint.dtype
        self.ndim = 3

    @property
    def shape(self) -> Triple:
        """Voxels shown along Z, Y, X."""
        return self.frame.shape

    @property
    def size(self) -> int:
        """Number of voxels shown."""
        return int(np.prod(self.shape, dtype=object))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Absolute):
            return self.paint[key.key]
        frame = self.frame
        selection = select(key, frame.shape)
        points = selection.points() if not selection.plain else None
        if points is not None and frame.paintable:
            return self.paint[tuple(_moved(points, frame.origin))]
        return self.paint.read(frame.box(selection.box), frame.step)[selection.local]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.paint[key.key if isinstance(key, Absolute) else self.absolute(key)] = value

    def absolute(self, key: Any) -> Any:
        """Return the index into the whole paint that an index of the window means.

        Raises
        ------
        InputError
            If the window shows too much to be painted on.
        """
        frame = self.frame
        if not frame.paintable:
            raise InputError("the paint is shown coarsely here", mend="zoom in to paint")
        selection = select(key, frame.shape)
        points = selection.points() if not selection.plain else None
        if points is not None:
            return tuple(_moved(points, frame.origin))
        box = frame.box(selection.box)
        if not selection.plain:
            raise IndexError("a window takes integers, slices of step 1, or points")
        kept = [isinstance(local, slice) for local in selection.local]
        return tuple(b if keep else b.start for b, keep in zip(box, kept, strict=True))

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> npt.NDArray[Any]:
        """Return a plain array: a duplicated layer is no longer the project's paint."""
        return np.asarray(self)


def _moved(points: npt.NDArray[np.intp], origin: Triple) -> npt.NDArray[np.intp]:
    moved: npt.NDArray[np.intp] = points + np.reshape(origin, (3, *[1] * (points.ndim - 1)))
    return moved
