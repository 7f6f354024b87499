"""Arrays in files that can only be unpacked as a whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError

__all__ = ["LoadedArray"]

_HIGHEST_RATIO = 1100
"""No deflate stream unpacks to more than 1032 times its size."""


class LoadedArray:
    """Loads everything at the first look and keeps it; a pickled copy loads anew.

    Parameters
    ----------
    path
        File, to tell an impossible promise of its header before memory is asked for.
    load
        Returns the whole array; must be picklable.
    shape, dtype
        What the header promises.

    Raises
    ------
    InputError
        If a file of this size cannot hold such an array.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[], npt.NDArray[Any]],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self._path, self._load = path, load
        self.shape, self.dtype = tuple(int(n) for n in shape), dtype
        self._lock = threading.Lock()
        self._array: npt.NDArray[Any] | None = None
        nbytes = prod(self.shape) * dtype.itemsize
        if nbytes > path.stat().st_size * _HIGHEST_RATIO:
            raise InputError(
                f"the file is cut off: it is too small for an array of {self.shape}",
                where=str(path),
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return LoadedArray, (self._path, self._load, self.shape, self.dtype)

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Take a part of the loaded array."""
        with self._lock:
            if self._array is None:
                self._array = self._load()
        part: npt.NDArray[Any] = self._array[key]
        return part
