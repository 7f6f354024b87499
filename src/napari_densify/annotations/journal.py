"""Chunks on their way to disk: appended first, so that a kill or a power cut loses none.

A batch is a run of records closed by a commit record. What follows the last
complete batch was being written when the power went, and is ignored: a batch is
replayed whole or not at all.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.annotations.chunks import ChunkGrid, ChunkIndex
from napari_densify.core.blocks import region_shape
from napari_densify.core.files import replace

__all__ = ["Journal"]

_RECORD = struct.Struct("<4s3III")  # magic, chunk index, length of the payload, its crc32
_CHUNK, _COMMIT = b"DJc1", b"DJe1"


class Journal:
    """Append-only file of chunks.

    Parameters
    ----------
    path
        File; it need not exist.
    grid, dtype
        What the chunks are.
    """

    def __init__(self, path: Path, *, grid: ChunkGrid, dtype: np.dtype[Any]) -> None:
        self.path = path
        self._older = path.with_name(f"{path.name}.older")
        self._grid = grid
        self._dtype = dtype

    def append(self, chunks: Mapping[ChunkIndex, npt.NDArray[Any]]) -> None:
        """Write one batch; it survives the end of this process, and after :meth:`sync` a power cut.

        Raises
        ------
        OSError
            If there is no room; the journal then ends where it did before.
        """
        records = [_pack(_CHUNK, index, chunk.tobytes()) for index, chunk in chunks.items()]
        records.append(_pack(_COMMIT, (len(chunks), 0, 0), b""))
        with self.path.open("ab", buffering=0) as stream:
            end = stream.tell()
            try:
                _write_all(stream.fileno(), b"".join(records))
            except OSError:
                stream.truncate(end)
                raise

    def sync(self) -> None:
        """Return only when everything appended would survive a power cut.

        Raises
        ------
        OSError
            If the disk fails to.
        """
        try:
            stream = self.path.open("r+b", buffering=0)  # Windows syncs only what it may write
        except FileNotFoundError:
            return
        with stream:
            os.fsync(stream.fileno())

    def mend(self) -> None:
        """Cut off a batch that a kill has torn: what is appended from now on would hide behind it.

        Raises
        ------
        OSError
            If the file cannot be changed.
        """
        content = _read(self.path)
        end = _complete(content)
        if end < len(content):
            os.truncate(self.path, end)

    def read(self) -> dict[ChunkIndex, npt.NDArray[Any]]:
        """Latest content of every chunk in a complete batch."""
        content = _read(self._older) + _read(self.path)
        latest: dict[ChunkIndex, bytes] = {}
        batch: dict[ChunkIndex, bytes] = {}
        for magic, index, payload in _unpack(content):
            if magic == _CHUNK:
                batch[index] = payload
            elif len(batch) == index[0]:
                latest.update(batch)
                batch = {}
        return {index: self._decode(index, payload) for index, payload in latest.items()}

    def size(self) -> int:
        """Bytes appended since :meth:`rotate`."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def rotate(self) -> None:
        """Begin a new file; what was appended so far can be dropped on its own.

        Only after :meth:`drop_older`.
        """
        replace(self.path, self._older)

    def drop_older(self) -> None:
        """Forget what was appended before :meth:`rotate`: it is safe elsewhere."""
        self._older.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget everything: the chunks are safe elsewhere."""
        # The older file first: after a kill in between, newer records still come last.
        self.drop_older()
        self.path.unlink(missing_ok=True)

    def _decode(self, index: ChunkIndex, payload: bytes) -> npt.NDArray[Any]:
        values = np.frombuffer(zlib.decompress(payload), self._dtype)
        return values.reshape(region_shape(self._grid.region(index))).copy()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _pack(magic: bytes, index: ChunkIndex, content: bytes) -> bytes:
    payload = zlib.compress(content, 1) if content else b""
    return _RECORD.pack(magic, *index, len(payload), _checksum(index, payload)) + payload


def _checksum(index: ChunkIndex, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(repr(index).encode()))


def _unpack(content: bytes) -> list[tuple[bytes, ChunkIndex, bytes]]:
    records = []
    at = 0
    while at + _RECORD.size <= len(content):
        magic, z, y, x, length, crc = _RECORD.unpack_from(content, at)
        payload = content[at + _RECORD.size : at + _RECORD.size + length]
        if magic not in (_CHUNK, _COMMIT) or len(payload) < length:
            break
        if _checksum((z, y, x), payload) != crc:
            break
        records.append((magic, (z, y, x), payload))
        at += _RECORD.size + length
    return records


def _complete(content: bytes) -> int:
    """Where the last complete batch ends."""
    at = end = 0
    for magic, _, payload in _unpack(content):
        at += _RECORD.size + len(payload)
        end = at if magic == _COMMIT else end
    return end


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
