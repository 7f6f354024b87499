"""From any numpy index of a ``(Z, Y, X)`` array to the box that it touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region, region_shape

__all__ = ["Selection", "select"]

_Axis = tuple[int, int, Any]  # first voxel, one past the last, index relative to the first


@dataclass(frozen=True)
class Selection:
    """The voxels that an index means.

    Attributes
    ----------
    box
        Smallest box that holds them.
    local
        The same index, relative to the box.
    plain
        Whether it is nothing but integers and slices of step 1: then the voxels are
        exactly those of the box, but for the axes taken away by integers.
    """

    box: Region
    local: tuple[Any, ...]
    plain: bool

    def points(self) -> npt.NDArray[np.intp] | None:
        """Coordinates ``(3, ...)`` if every axis is indexed by integers; else None."""
        if len(self.local) != 3 or any(isinstance(k, slice) or k is None for k in self.local):
            return None
        arrays = np.broadcast_arrays(*self.local)
        starts = np.array([s.start for s in self.box]).reshape(3, *[1] * arrays[0].ndim)
        points: npt.NDArray[np.intp] = np.stack(arrays) + starts
        return points

    def values(self, value: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Broadcast an assigned value to the shape of the box (only if ``plain``).

        Raises
        ------
        ValueError
            If the shapes don't fit.
        OverflowError
            If the dtype cannot hold it.
        """
        removed = tuple(axis for axis, k in enumerate(self.local) if not isinstance(k, slice))
        kept = [n for axis, n in enumerate(region_shape(self.box)) if axis not in removed]
        array = np.asarray(value, dtype=dtype)
        while array.ndim > len(kept) and array.shape[0] == 1:
            array = array[0]
        return np.expand_dims(np.broadcast_to(array, kept), removed)


def select(key: Any, shape: Sequence[int]) -> Selection:
    """Resolve an index as numpy would for an array of this shape.

    Raises
    ------
    IndexError
        If numpy would refuse it too.
    """
    items = _expand(key if isinstance(key, tuple) else (key,), len(shape))
    axes: list[_Axis] = []
    local: list[Any] = []
    for item in items:
        if item is None:
            local.append(None)
            continue
        axis = _resolve(item, shape[len(axes)], len(axes))
        axes.append(axis)
        local.append(axis[2])
    z, y, x = (slice(first, end) for first, end, _ in axes)
    return Selection((z, y, x), tuple(local), plain=_is_plain(items))


def _is_plain(items: list[Any]) -> bool:
    return all(
        item.step in (None, 1) if isinstance(item, slice) else _is_integer(item) for item in items
    )


def _is_integer(item: Any) -> bool:
    return isinstance(item, int | np.integer) and not isinstance(item, bool | np.bool_)


def _expand(key: tuple[Any, ...], ndim: int) -> list[Any]:
    """Write out the ellipsis and masks, so that every item but None is one axis."""
    items: list[Any] = []
    for item in key:
        if isinstance(item, list) or _is_mask(item):
            item = np.asarray(item)
        if _is_mask(item):
            items.extend(np.nonzero(item))
        else:
            items.append(item)
    used = sum(item is not None and not isinstance(item, EllipsisType) for item in items)
    if used > ndim:
        raise IndexError(f"too many indices: the array has {ndim} axes, {used} were indexed")
    at = next((i for i, item in enumerate(items) if isinstance(item, EllipsisType)), len(items))
    rest = [item for item in items[at + 1 :] if not isinstance(item, EllipsisType)]
    return [*items[:at], *[slice(None)] * (ndim - used), *rest]


def _is_mask(item: Any) -> bool:
    return getattr(item, "dtype", None) == np.bool_ and getattr(item, "ndim", 0) > 0


def _resolve(item: Any, length: int, axis: int) -> _Axis:
    if isinstance(item, slice):
        return _resolve_slice(item, length)
    index = np.asarray(item)
    if index.size and not np.issubdtype(index.dtype, np.integer):
        raise IndexError(f"axis {axis} cannot be indexed by {index.dtype}")
    if index.size == 0:
        return 0, 0, index.astype(np.intp)
    low, high = int(index.min()), int(index.max())
    if low < -length or high >= length:
        raise IndexError(f"index {low}..{high} is out of bounds for axis {axis} of {length}")
    if low < 0:
        index = np.where(index < 0, index + length, index)
        low, high = int(index.min()), int(index.max())
    relative = index.astype(np.intp) - low
    return low, high + 1, int(relative) if relative.ndim == 0 else relative


def _resolve_slice(item: slice, length: int) -> _Axis:
    steps = range(*item.indices(length))
    if not steps:
        return 0, 0, slice(0, 0)
    low, high = min(steps[0], steps[-1]), max(steps[0], steps[-1])
    stop = steps[-1] - low + steps.step
    return low, high + 1, slice(steps[0] - low, stop if stop >= 0 else None, steps.step)
