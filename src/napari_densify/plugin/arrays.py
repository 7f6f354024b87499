"""Arrays seen in another shape, without reading them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ChannelView", "ThinnedArray", "pyramid_of"]


class ChannelView:
    """One channel of a ``(C, Z, Y, X)`` array."""

    def __init__(self, array: Any, channel: int) -> None:
        self._array = array
        self._channel = channel
        self.shape = tuple(array.shape[1:])
        self.dtype = array.dtype
        self.ndim = 3

    def __getitem__(self, key: Any) -> Any:
        rest = key if isinstance(key, tuple) else (key,)
        return self._array[(self._channel, *rest)]


class ThinnedArray:
    """Every n-th row and column of a ``(Z, Y, X)`` array.

    Parameters
    ----------
    array
        Indexed with integers and slices.
    step
        The n.
    """

    def __init__(self, array: Any, step: int) -> None:
        self._array = array
        self._steps = (1, step, step)
        z, y, x = (-(-n // s) for n, s in zip(array.shape, self._steps, strict=True))
        self.shape = (z, y, x)
        self.dtype = array.dtype
        self.ndim = 3

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        keys = (*keys, *(slice(None),) * (3 - len(keys)))
        rows = zip(keys, self.shape, self._steps, strict=True)
        return self._array[tuple(_stretched(k, n, s) for k, n, s in rows)]


def _stretched(key: Any, length: int, step: int) -> Any:
    if not isinstance(key, slice):
        return int(key) * step
    picked = range(*key.indices(length))
    return slice(picked.start * step, picked.stop * step, picked.step * step)


def pyramid_of(levels: Sequence[Any], largest: int) -> list[Any]:
    """Arrays fine to coarse, until a plane is at most ``largest`` voxels a side.

    Parameters
    ----------
    levels
        What the file has; thinned levels are added to the last.
    largest
        Longest side of the coarsest plane.
    """
    found = list(levels)
    last, step = found[-1], 2
    while max(found[-1].shape[-2:]) > largest:
        found.append(ThinnedArray(last, step))
        step *= 2
    return found
