"""Arrays seen in another shape, without reading them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ChannelView", "LazyView", "ThinnedArray", "pyramid_of"]


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


class LazyView:
    """A box of an array that is read when an integer picks a plane, or as a whole on demand.

    napari cuts the tile on screen out of a level first, along all slices of the
    volume, and picks the slice after that: an array that is read at once would
    bring a gigabyte for a square megapixel.

    Parameters
    ----------
    array
        Indexed with integers and slices.
    spans
        First voxel and one past the last along each axis; all by default.
    """

    def __init__(self, array: Any, spans: Sequence[range] | None = None) -> None:
        self._array = array
        self._spans = tuple(spans if spans is not None else map(range, array.shape))
        self.shape = tuple(map(len, self._spans))
        self.dtype = array.dtype
        self.ndim = len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole box."""
        return self.size * np.dtype(self.dtype).itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        box = tuple(slice(span.start, span.stop) for span in self._spans)
        return np.asarray(self._array[box], dtype=dtype)

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            gap = (slice(None),) * (self.ndim - len(keys) + 1)
            keys = (*keys[:at], *gap, *keys[at + 1 :])
        keys = (*keys, *(slice(None),) * (self.ndim - len(keys)))
        picked = [span[k] for span, k in zip(self._spans, keys, strict=True)]
        if all(isinstance(p, range) and p.step == 1 for p in picked):
            return LazyView(self._array, [p for p in picked if isinstance(p, range)])
        return self._array[tuple(_index(p) for p in picked)]


def _index(picked: range | int) -> slice | int:
    """Range as a slice: going down to the first voxel it has no end."""
    if not isinstance(picked, range):
        return picked
    return slice(picked.start, picked.stop if picked.stop >= 0 else None, picked.step)


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
    picked = range(length)[key]
    if isinstance(picked, int):
        return picked * step
    return _index(range(picked.start * step, picked.stop * step, picked.step * step))


def pyramid_of(levels: Sequence[Any], largest: int = 0) -> Any:
    """Return what a layer holds of levels fine to coarse: a list, or the only one itself.

    Parameters
    ----------
    levels
        What the file has.
    largest
        Thinned levels are added until a plane is at most so many voxels a side; 0
        adds none.
    """
    found = list(levels)
    last, step = found[-1], 2
    while largest and max(found[-1].shape[-2:]) > largest:
        found.append(ThinnedArray(last, step))
        step *= 2
    return [LazyView(level) for level in found] if len(found) > 1 else found[0]
