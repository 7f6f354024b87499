"""The files of a sparse zarr array of annotations, one for each painted chunk."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from napari_densify.annotations.chunks import ChunkGrid, ChunkIndex
from napari_densify.core.errors import InputError
from napari_densify.core.files import replace, retried

__all__ = ["ChunkFiles", "Signature", "create_array", "sync_path"]

Signature = tuple[int, int, int]
"""Modification time (ns), size and inode of a chunk's file: another file has another."""

_PAUSE_S = 0.01
_MANY = 200


def create_array(path: Path, *, shape: Sequence[int], dtype: npt.DTypeLike, edge: int) -> None:
    """Make an empty array; it occupies one small file until something is painted.

    Raises
    ------
    InputError
        If an array stands at ``path`` already.
    """
    try:
        zarr.create_array(
            str(path),
            shape=tuple(int(n) for n in shape),
            chunks=(1, edge, edge),
            dtype=np.dtype(dtype),
            fill_value=0,
            compressors=zarr.codecs.ZstdCodec(level=1, checksum=True),
            # One flat folder: a single listing tells which chunks exist.
            chunk_key_encoding={"name": "default", "separator": "."},
            dimension_names=("z", "y", "x"),
        )
    except zarr.errors.ContainsArrayError:
        raise InputError("an array stands here already", where=str(path)) from None


class ChunkFiles:
    """Chunks as files: written aside and renamed, deleted when nothing is painted in them.

    Parameters
    ----------
    path
        Folder of the array.
    read_only
        Whether to refuse writing.

    Raises
    ------
    InputError
        If there is no array of annotations at ``path``.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._array = _open_array(path, "r" if read_only else "r+")
        z, y, x = (int(n) for n in self._array.shape)
        self.grid = ChunkGrid((z, y, x), int(self._array.chunks[-1]))
        self.dtype: np.dtype[Any] = self._array.dtype

    def file(self, index: ChunkIndex) -> Path:
        """File of a chunk, whether it exists or not."""
        return self.path / ".".join(["c", *map(str, index)])

    def read(self, index: ChunkIndex) -> npt.NDArray[Any]:
        """Read a chunk, clipped to the volume; zeros if it has no file.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        region = self.grid.region(index)
        try:
            return np.array(retried(lambda: self._array[region], pause_s=_PAUSE_S))
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"damaged chunk ({error})",
                where=str(self.file(index)),
                mend="bring this file back from a backup, or delete it and lose its strokes",
            ) from None

    def write_row(self, first: ChunkIndex, chunks: Sequence[npt.NDArray[Any]]) -> None:
        """Write chunks that follow each other along X, each in one step.

        One without paint loses its file. A row at a time is several times quicker
        than chunk by chunk: zarr works on them side by side.

        Raises
        ------
        OSError
            If there is no room or no permission; each old file is then intact, or new.
        """
        row = np.concatenate(chunks, axis=2)
        z, y, x = self.grid.region(first)
        region = (z, y, slice(x.start, x.start + row.shape[2]))
        retried(lambda: self._array.__setitem__(region, row), pause_s=_PAUSE_S)

    def signature(self, index: ChunkIndex) -> Signature | None:
        """Tell the present file of a chunk from its next; None if it has none."""
        try:
            status = self.file(index).stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def scan(self) -> dict[ChunkIndex, Signature]:
        """Signatures of all chunks that have a file."""
        with os.scandir(self.path) as entries:
            indices = [_parse(entry.name) for entry in entries]
        pairs = ((index, self.signature(index)) for index in indices if index is not None)
        return {index: signature for index, signature in pairs if signature is not None}

    def sync(self, indices: Iterable[ChunkIndex]) -> None:
        """Return only when these chunks would survive a power cut."""
        files = [self.file(index) for index in indices]
        if len(files) > _MANY and sys.platform == "linux":  # elsewhere sync() may not wait
            os.sync()
            return
        for path in (*files, self.path):
            sync_path(path)

    def drop_leftovers(self) -> None:
        """Delete what a killed writer was writing aside."""
        for leftover in self.path.glob("*.partial"):
            leftover.unlink(missing_ok=True)

    def snapshot(self, target: Path) -> None:
        """Copy the array; chunks become hard links where the disk allows them.

        A chunk's file is never changed, only replaced, so a link keeps its content.
        """
        temporary = Path(f"{target}.partial")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        _link(self.path / "zarr.json", temporary)
        for index in self.scan():
            _link(self.file(index), temporary)
        replace(temporary, target)


def sync_path(path: Path) -> None:
    """Sync a file or folder to disk; one that has gone needs none."""
    if os.name == "nt":  # rename is durable there, and folders cannot be opened
        return
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_array(path: Path, mode: str) -> Any:
    try:
        array = zarr.open_array(str(path), mode=mode)
    except (OSError, ValueError, KeyError, zarr.errors.BaseZarrError) as error:
        raise InputError(
            f"no annotations can be read here ({error or type(error).__name__})", where=str(path)
        ) from None
    if len(array.shape) != 3 or array.chunks[0] != 1 or array.chunks[1] != array.chunks[2]:
        raise InputError("this array is not a store of annotations", where=str(path))
    return array


def _parse(name: str) -> ChunkIndex | None:
    parts = name.split(".")
    if len(parts) != 4 or parts[0] != "c" or not all(p.isdigit() for p in parts[1:]):
        return None
    return int(parts[1]), int(parts[2]), int(parts[3])


def _link(source: Path, folder: Path) -> None:
    target = folder / source.name
    try:
        os.link(source, target)
    except FileNotFoundError:
        return  # erased since the listing
    except OSError:
        shutil.copy2(source, target)
