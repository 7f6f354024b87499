"""Arrays that are computed where they are looked at: what differs, and how."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DIFFERENT", "DIVIDER", "ONLY_FIRST", "ONLY_SECOND", "Difference", "SliceOf", "Swiped"]

ONLY_FIRST, ONLY_SECOND, DIFFERENT = 1, 2, 3
"""Codes of a difference: a class is in the first alone, in the second alone; classes differ."""

DIVIDER = np.iinfo(np.uint16).max
"""Code of the line between two results: no class has the largest one."""


class Difference:
    """Where two label arrays disagree, computed for what is on screen alone.

    Parameters
    ----------
    first, second
        Class codes ``(Z, Y, X)``; voxels where either is 0 are not compared. With a truth as
        the second, ``ONLY_FIRST`` is a false positive and ``ONLY_SECOND`` a false negative.
    value
        Class that is looked at; 0: all, and every disagreement is ``DIFFERENT``.
    """

    ndim = 3
    dtype = np.dtype(np.uint8)

    def __init__(self, first: Any, second: Any, value: int = 0) -> None:
        self.first, self.second, self.value = first, second, value
        self.shape = tuple(first.shape)
        if tuple(second.shape) != self.shape:
            raise ValueError(f"shapes {self.shape} and {tuple(second.shape)} differ")

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:
        """Codes of a part."""
        a, b = np.asarray(self.first[key]), np.asarray(self.second[key])
        out = np.zeros(a.shape, np.uint8)
        known = (a != 0) & (b != 0) & (a != b)
        if not self.value:
            out[known] = DIFFERENT
            return out
        out[known & (a == self.value)] = ONLY_FIRST
        out[known & (b == self.value)] = ONLY_SECOND
        return out

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        """All of it, for those who ask for an array."""
        return self[:].astype(dtype or self.dtype)


class Swiped:
    """One label array up to a line, another from there on, read where it is looked at.

    Parameters
    ----------
    first, second
        Class codes ``(Z, Y, X)``, below ``DIVIDER``.
    axis, line
        Voxels below ``line`` along this axis are of the first.
    width
        Voxels from ``line`` on that are ``DIVIDER``, so that one sees where it is.
    """

    ndim = 3

    def __init__(self, first: Any, second: Any, *, axis: int, line: int, width: int = 0) -> None:
        self.first, self.second = first, second
        self.axis, self.line, self.width = axis, line, width
        self.shape = tuple(first.shape)
        self.dtype = np.dtype(np.uint16)
        if tuple(second.shape) != self.shape:
            raise ValueError(f"shapes {self.shape} and {tuple(second.shape)} differ")

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Labels of a part."""
        wanted = key if isinstance(key, tuple) else (key,)
        wanted += (slice(None),) * (3 - len(wanted))
        numbers = [np.arange(n)[k] for n, k in zip(self.shape, wanted, strict=True)]
        place = numbers[self.axis]
        if np.ndim(place):
            behind = sum(np.ndim(n) > 0 for n in numbers[self.axis + 1 :])
            place = place.reshape(-1, *[1] * behind)
        a, b = (np.asarray(source[key]).astype(self.dtype) for source in (self.first, self.second))
        after = np.where(place < self.line + self.width, self.dtype.type(DIVIDER), b)
        return np.where(place < self.line, a, after)

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        """All of it, for those who ask for an array."""
        return self[:].astype(dtype or self.dtype)


class SliceOf:
    """A volume of zeros but for one region: the answer to a slider.

    Parameters
    ----------
    shape
        ``(Z, Y, X)`` of the volume.
    region
        Where the labels belong.
    labels
        Labels of that region.
    """

    ndim = 3

    def __init__(
        self,
        shape: tuple[int, int, int],
        region: tuple[slice, slice, slice],
        labels: npt.NDArray[Any],
    ) -> None:
        self.shape, self.region, self.labels = shape, region, labels
        self.dtype = labels.dtype

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Labels of a part."""
        wanted = key if isinstance(key, tuple) else (key,)
        wanted += (slice(None),) * (3 - len(wanted))
        numbers = [np.arange(n)[k] for n, k in zip(self.shape, wanted, strict=True)]
        out = np.zeros([np.size(n) for n in numbers], self.dtype)
        inside, source = [], []
        for number, part in zip(numbers, self.region, strict=True):
            flat = np.atleast_1d(number)
            found = (flat >= part.start) & (flat < part.stop)
            inside.append(np.flatnonzero(found))
            source.append(flat[found] - part.start)
        out[np.ix_(*inside)] = self.labels[np.ix_(*source)]
        return out.reshape([len(n) for n in numbers if np.ndim(n)])

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        """All of it, for those who ask for an array."""
        return self[:].astype(dtype or self.dtype)
