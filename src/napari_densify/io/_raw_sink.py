"""Outputs that are a header and raw voxels: written aside block by block, then renamed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core import files
from napari_densify.core.blocks import Region
from napari_densify.io._sink_facts import SinkFacts, write_error

__all__ = ["HeaderWriter", "Layout", "RawSink"]

_SLAB_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Layout:
    """Where a header leaves the voxels.

    Attributes
    ----------
    offset
        Byte at which they start.
    dtype
        That they are stored in, which may be wider than asked for.
    planes_of_channels
        True for order Z, C, Y, X; False for C, Z, Y, X.
    """

    offset: int
    dtype: np.dtype[Any]
    planes_of_channels: bool = False


HeaderWriter = Callable[[Path, SinkFacts], Layout]
"""Writes the headers of a new file."""


class RawSink:
    """A file with raw voxels, written block by block in any order.

    Blocks are written with file calls: a full disk then raises, where writing
    through a memory map would kill the process. What isn't written stays 0.
    """

    def __init__(self, path: Path, facts: SinkFacts, write_header: HeaderWriter) -> None:
        self.path, self.shape = path, facts.shape
        self._lock = threading.Lock()
        nbytes = prod(facts.shape) * facts.dtype.itemsize
        files.require_room(path.parent, nbytes, what=str(path))
        self._temporary = _new_file(path)
        try:
            self._layout = write_header(self._temporary, facts)
            self._facts = replace(facts, dtype=self._layout.dtype.newbyteorder("="))
            total = prod(facts.shape) * self._layout.dtype.itemsize
            os.truncate(self._temporary, max(_size(self._temporary), self._layout.offset + total))
            self._file = self._temporary.open("r+b")
        except BaseException as error:
            self._temporary.unlink(missing_ok=True)
            if isinstance(error, (OSError, RuntimeError)):  # h5py raises the latter
                raise write_error(path, error) from error
            raise
        self.dtype = self._facts.dtype
        z, y, x = facts.shape[-3:]
        plane = facts.channels * y * x * self.dtype.itemsize
        self.chunks = (max(1, min(z, _SLAB_BYTES // plane)), y, x)

    def write(self, region: Region, array: npt.NDArray[Any]) -> None:
        """Write a block at its place."""
        block = self._facts.block(region, array)
        zs, ys, xs = region
        height, width = self.shape[-2:]
        full = xs.stop - xs.start == width
        try:
            with self._lock:
                for c, z in product(range(block.shape[0]), range(block.shape[1])):
                    rows = self._plane(c, zs.start + z) * height + ys.start
                    values = np.ascontiguousarray(block[c, z], self._layout.dtype)
                    if full:
                        self._put(rows * width, values)
                    else:
                        for row, line in enumerate(values):
                            self._put((rows + row) * width + xs.start, line)
        except OSError as error:
            raise write_error(self.path, error) from error

    def _plane(self, channel: int, z: int) -> int:
        """Count the planes before this one, in the order of the file."""
        if self._layout.planes_of_channels:
            return z * self._facts.channels + channel
        return channel * self.shape[-3] + z

    def _put(self, voxel: int, values: npt.NDArray[Any]) -> None:
        self._file.seek(self._layout.offset + voxel * self.dtype.itemsize)
        self._file.write(values.data)

    def done(self, index: Sequence[int]) -> None:
        """Do nothing: such a file cannot be resumed."""

    def is_done(self, index: Sequence[int]) -> bool:
        """Return False: such a file cannot be resumed."""
        return False

    def close(self) -> Path:
        """Put the file under its final name."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            files.replace(self._temporary, self.path)
        except OSError as error:
            self.abort()
            raise write_error(self.path, error) from error
        return self.path

    def abort(self) -> None:
        """Remove what was written; a file that had this name before stays."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def _new_file(path: Path) -> Path:
    try:
        temporary = files.temporary_beside(path)
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise write_error(path, error) from error
    return temporary


def _size(path: Path) -> int:
    return path.stat().st_size
