"""Chunks of annotations in memory: those in use, and what is not on disk yet."""

from __future__ import annotations

import threading
from collections.abc import Collection
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.annotations.chunks import ChunkIndex
from napari_densify.annotations.store import AnnotationStore
from napari_densify.annotations.tally import Tally, tally_chunk
from napari_densify.core.blocks import Region, region_shape

__all__ = ["ChunkCache"]

_CACHE_BYTES = 256 * 2**20
_BATCH = 256


class ChunkCache:
    """Reads and changes voxels in memory, and remembers which chunks are unsaved.

    Chunks without paint take no memory; those on disk may be forgotten and read again.

    Parameters
    ----------
    store
        Where chunks come from.

    Attributes
    ----------
    lock
        Held while chunks are looked at or changed; the GUI and the writer share it.
    """

    def __init__(self, store: AnnotationStore) -> None:
        self.lock = threading.RLock()
        self._store = store
        self._dtype = store.dtype
        self._chunks: dict[ChunkIndex, npt.NDArray[Any]] = {}
        self._dirty: dict[ChunkIndex, None] = {}  # in the order in which they were painted
        self._in_flight: set[ChunkIndex] = set()
        self._uncounted: set[ChunkIndex] = set()
        self._tally = store.tally()
        self._known: dict[int, set[ChunkIndex]] = {}  # by slice; may hold erased ones too
        for index, _ in self._tally.items():
            self._known.setdefault(index[0], set()).add(index)
        self._room = max(8, _CACHE_BYTES // (store.grid.edge**2 * self._dtype.itemsize))
        self._limit = self._room

    def __len__(self) -> int:
        return len(self._chunks)

    def unsaved(self) -> int:
        """Count the chunks that are not on disk yet."""
        with self.lock:
            return len(self._dirty.keys() | self._in_flight)

    def take_batch(self) -> dict[ChunkIndex, npt.NDArray[Any]]:
        """Copy some unsaved chunks; to be followed by :meth:`settle`."""
        with self.lock:
            batch = {index: self._chunks[index].copy() for index in islice(self._dirty, _BATCH)}
            for index in batch:
                del self._dirty[index]
            self._in_flight = set(batch)
            return batch

    def settle(self, batch: Collection[ChunkIndex], *, saved: bool) -> None:
        """Say whether the chunks that were taken are safe now; if not, they are unsaved again."""
        with self.lock:
            if not saved:
                self._dirty = dict.fromkeys([*batch, *self._dirty])
            self._in_flight.clear()

    def read_box(self, box: Region, step: tuple[int, int, int] = (1, 1, 1)) -> npt.NDArray[Any]:
        """Read every ``step``-th voxel of a box as a new array."""
        shape = [-(-n // s) for n, s in zip(region_shape(box), step, strict=True)]
        out = np.zeros(shape, self._dtype)
        with self.lock:
            for index in self._painted_in(box):
                chunk = self._chunk(index)
                if chunk is not None:
                    inside, outside = self._store.grid.overlap(index, box)
                    if step != (1, 1, 1):
                        inside, outside = _thinned(inside, outside, step)
                    out[outside] = chunk[inside]
        return out

    def _painted_in(self, box: Region) -> list[ChunkIndex]:
        """Chunks of a box that may hold paint; the others needn't be looked at."""
        bounds = self._store.grid.bounds(box)
        planes = (self._known.get(z, set()) for z in range(*bounds[0]))
        (y0, y1), (x0, x1) = bounds[1:]
        return [i for plane in planes for i in plane if y0 <= i[1] < y1 and x0 <= i[2] < x1]

    def write_box(self, box: Region, values: npt.NDArray[Any]) -> None:
        """Change a box; chunks that stay as they are do not become unsaved."""
        with self.lock:
            for index, inside, outside in self._store.grid.overlapping(box):
                self._write_chunk(index, inside, values[outside])

    def read_points(self, points: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """Read voxels at ``(3, ...)`` coordinates."""
        out = np.zeros(points.shape[1:], self._dtype)
        with self.lock:
            for index, inside, members in self._by_chunk(points):
                chunk = self._chunk(index)
                if chunk is not None:
                    out.reshape(-1)[members] = chunk[inside]
        return out

    def write_points(self, points: npt.NDArray[np.intp], value: npt.NDArray[Any]) -> None:
        """Change voxels at ``(3, ...)`` coordinates; the last of several values for one stays."""
        values = np.broadcast_to(value, points.shape[1:]).reshape(-1)
        with self.lock:
            for index, inside, members in self._by_chunk(points):
                self._write_chunk(index, inside, values[members])

    def _by_chunk(self, points: npt.NDArray[np.intp]) -> list[tuple[ChunkIndex, Any, Any]]:
        flat = points.reshape(3, -1)
        size = np.array(self._store.grid.chunk_shape).reshape(3, 1)
        indices, owner = np.unique(flat // size, axis=1, return_inverse=True)
        order = np.argsort(owner.reshape(-1), kind="stable")
        ends = np.cumsum(np.bincount(owner.reshape(-1), minlength=indices.shape[1]))
        groups = []
        for (z, y, x), members in zip(indices.T.tolist(), np.split(order, ends[:-1]), strict=True):
            groups.append(((z, y, x), tuple((flat % size)[:, members]), members))
        return groups

    def _write_chunk(self, index: ChunkIndex, inside: Any, new: npt.NDArray[Any]) -> None:
        chunk = self._chunk(index, create=bool(new.any()))
        if chunk is None or np.array_equal(chunk[inside], new):
            return
        chunk[inside] = new
        self._dirty[index] = None
        self._uncounted.add(index)

    def _chunk(self, index: ChunkIndex, *, create: bool = False) -> npt.NDArray[Any] | None:
        """Chunk in memory, brought there if it is on disk; None if nothing is painted in it."""
        chunk = self._chunks.get(index)
        if chunk is not None:
            return chunk
        if index in self._tally:
            chunk = self._store.read_chunk(index)
        elif create:
            chunk = np.zeros(region_shape(self._store.grid.region(index)), self._dtype)
            self._known.setdefault(index[0], set()).add(index)
        else:
            return None
        self._make_room()
        self._chunks[index] = chunk
        return chunk

    def _make_room(self) -> None:
        """Forget the oldest chunks that are on disk anyway, a good part of them at a time."""
        if len(self._chunks) < self._limit:
            return
        self.counted()
        kept = self._dirty.keys() | self._in_flight
        spare = [index for index in self._chunks if index not in kept]
        for index in spare[: len(self._chunks) - self._room + self._room // 8]:
            del self._chunks[index]
        # What is unsaved may be more than that: then look again when there is much more.
        self._limit = max(self._room, len(self._chunks) + self._room // 8)

    def counted(self) -> Tally:
        """Tally with the newest strokes in it; only under the lock."""
        for index in self._uncounted:
            self._tally.set(index, tally_chunk(self._chunks[index]))
        self._uncounted.clear()
        return self._tally


def _thinned(inside: Region, outside: Region, step: tuple[int, int, int]) -> tuple[Region, Region]:
    """Of voxels that a chunk and a box share: those on every ``step``-th voxel of the box."""
    pairs = []
    for i, o, s in zip(inside, outside, step, strict=True):
        first = -(-o.start // s)
        pairs.append(
            (slice(i.start + first * s - o.start, i.stop, s), slice(first, -(-o.stop // s)))
        )
    (z, zo), (y, yo), (x, xo) = pairs
    return (z, y, x), (zo, yo, xo)
