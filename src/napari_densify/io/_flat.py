"""Raw voxels at an offset of a file, read a piece at a time."""

from __future__ import annotations

import os
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError

__all__ = ["FlatArray"]

_WORTH_A_SEEK = 8 * 1024  # bytes: fewer are cheaper to read than to skip


class FlatArray:
    """Uncompressed, C-ordered voxels in a file.

    Reads with file calls and not through a memory map: a mapped file that is cut
    short or lies on a failing network drive kills the process (SIGBUS), and an
    open map keeps Windows from replacing the file.

    Parameters
    ----------
    path
        File that holds the voxels.
    offset
        Byte at which they start.
    shape, dtype
        As stored, two axes at least; the dtype carries the byte order.

    Raises
    ------
    InputError
        If the file is too short for this shape.
    """

    def __init__(
        self, path: Path, offset: int, shape: tuple[int, ...], dtype: npt.DTypeLike
    ) -> None:
        self.path = Path(path)
        self.offset = int(offset)
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype)
        self._require_size()

    def _require_size(self) -> None:
        have = os.path.getsize(self.path)
        need = self.offset + prod(self.shape) * self.dtype.itemsize
        if have < need:
            raise InputError(
                f"the file is cut off: {have} bytes, its header promises {need}",
                where=str(self.path),
                mend="copy or export it again",
            )

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Read a box given by one slice (step 1) an axis."""
        bounds = [s.indices(n)[:2] for s, n in zip(key, self.shape, strict=True)]
        out = np.empty([max(0, b - a) for a, b in bounds], self.dtype)
        if not out.size:
            return out
        *lead, (y0, y1), (x0, x1) = bounds
        width = self.shape[-1]
        planes = out.reshape(-1, y1 - y0, x1 - x0)
        whole_rows = (width - (x1 - x0)) * self.dtype.itemsize <= _WORTH_A_SEEK
        with self.path.open("rb", buffering=0) as file:
            for plane, index in zip(planes, product(*(range(a, b) for a, b in lead)), strict=True):
                start = self._plane_start(index) + y0 * width
                if whole_rows:
                    rows = self._read(file, start, (y1 - y0) * width).reshape(-1, width)
                    plane[:] = rows[:, x0:x1]
                else:
                    for row in range(y1 - y0):
                        plane[row] = self._read(file, start + row * width + x0, x1 - x0)
        return out

    def _plane_start(self, index: tuple[int, ...]) -> int:
        position = 0
        for i, n in zip(index, self.shape, strict=False):
            position = position * n + i
        return position * prod(self.shape[-2:])

    def _read(self, file: Any, start: int, count: int) -> npt.NDArray[Any]:
        file.seek(self.offset + start * self.dtype.itemsize)
        values = np.empty(count, self.dtype)
        rest = values.view(np.uint8).data
        while rest:
            got = file.readinto(rest)
            if not got:
                raise InputError("the file ends too early", where=str(self.path))
            rest = rest[got:]
        return values
