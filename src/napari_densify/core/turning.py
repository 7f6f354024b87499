"""Volumes looked at along another axis, without copying them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_densify.core.volume import ArrayLike, Volume

__all__ = ["IN_PLACE", "TURNS", "Turn", "turn_triple", "turned_volume"]

T = TypeVar("T")
Turn = tuple[int, int, int]
"""Old axis of each new one; all used here are their own inverse."""

IN_PLACE: Turn = (0, 1, 2)
TURNS: tuple[Turn, Turn] = ((1, 0, 2), (2, 1, 0))
"""XZ planes, and ZY planes, as slices."""


class _Turned:
    """An array whose last three axes are read in another order."""

    def __init__(self, data: ArrayLike, turn: Turn) -> None:
        self._data, self._turn = data, turn
        *lead, z, y, x = data.shape
        self.shape = (*lead, *turn_triple((z, y, x), turn))
        self.dtype = data.dtype

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        *lead, z, y, x = key
        part = np.asarray(self._data[(*lead, *turn_triple((z, y, x), self._turn))])
        first = part.ndim - 3
        return part.transpose(*range(first), *(first + axis for axis in self._turn))


def turned_volume(volume: Volume, turn: Turn) -> Volume:
    """Return the same volume with its axes in another order; regions are read as slices."""
    return replace(
        volume,
        data=_Turned(volume.data, turn),
        spacing=turn_triple(volume.spacing, turn),
        chunks=None if volume.chunks is None else turn_triple(volume.chunks, turn),
    )


def turn_triple(triple: Sequence[T], turn: Turn) -> tuple[T, T, T]:
    """Put what belongs to Z, Y, X in the turned order."""
    z, y, x = (triple[axis] for axis in turn)
    return z, y, x
