"""The array that a napari Labels layer holds: paint in memory, on disk within a second."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

from napari_densify.annotations.background import BackgroundWriter, tell
from napari_densify.annotations.chunks import ChunkIndex
from napari_densify.annotations.indexing import Selection, select
from napari_densify.annotations.store import AnnotationStore
from napari_densify.annotations.tally import Tally, tally_chunk
from napari_densify.core.blocks import Region, full_region, region_shape
from napari_densify.core.errors import InputError

__all__ = ["PaintedArray"]

_log = logging.getLogger(__name__)

INTERVAL_S = 0.25
"""Strokes are written this long after they began: a kill loses no more than that."""

_CACHE_BYTES = 256 * 2**20
_LARGE_BOX = 2**24
_BATCH = 256


def _ignore(*_: Any) -> None:
    """Stand in for a callback that nobody asked for."""


class PaintedArray(NDArrayOperatorsMixin):
    """Array-like view of an :class:`AnnotationStore` that is as quick to paint on as numpy.

    Whoever assigns to it (a brush, a fill, an undo) marks the chunks concerned; a
    thread writes them. Chunks without paint take no memory. What indexing returns
    is always a copy.

    Parameters
    ----------
    store
        Where the paint is kept; opened for writing, unless nothing may be painted.
    interval_s
        How long changes are gathered before they are written.
    on_flushed
        Told which regions are on disk now. Like the other callbacks it is called on
        the writing thread (or on the one that called :meth:`flush`): pass it on to
        the GUI through a queued signal.
    on_error
        Told that writing failed, for example because the disk is full. Everything
        stays in memory and writing is tried again.
    on_recovered
        Told that writing works again.
    """

    def __init__(
        self,
        store: AnnotationStore,
        *,
        interval_s: float = INTERVAL_S,
        on_flushed: Callable[[list[Region]], None] = _ignore,
        on_error: Callable[[Exception], None] = _ignore,
        on_recovered: Callable[[], None] = _ignore,
    ) -> None:
        self.store = store
        self.shape = store.shape
        self.dtype = store.dtype
        self.ndim = 3
        self._closed = False
        self._on_flushed = on_flushed
        self._interval_s = interval_s
        self._journalled = 0.0
        self._shown: list[ChunkIndex] = []  # in files that readers see, not yet told
        self._chunks: dict[ChunkIndex, npt.NDArray[Any]] = {}
        self._dirty: dict[ChunkIndex, None] = {}  # in the order in which they were painted
        self._in_flight: set[ChunkIndex] = set()
        self._uncounted: set[ChunkIndex] = set()
        self._tally = store.tally()
        self._known: dict[int, set[ChunkIndex]] = {}  # by slice; may hold erased ones too
        for index, _ in self._tally.items():
            self._known.setdefault(index[0], set()).add(index)
        self._room = max(8, _CACHE_BYTES // (store.grid.edge**2 * self.dtype.itemsize))
        self._limit = self._room
        self._lock = threading.RLock()
        self._flushing = threading.Lock()
        self._writer = BackgroundWriter(
            self._save_in_time, interval_s=interval_s, on_error=on_error, on_recovered=on_recovered
        )
        atexit.register(self._close_at_exit)

    @property
    def size(self) -> int:
        """Number of voxels."""
        z, y, x = self.shape
        return z * y * x

    @property
    def nbytes(self) -> int:
        """Bytes that a dense array would take."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"PaintedArray({str(self.store.path)!r}, shape={self.shape}, dtype={self.dtype})"

    def __getitem__(self, key: Any) -> Any:
        selection = select(key, self.shape)
        points = self._scattered(selection)
        if points is not None:
            return self._read_points(points)
        return self._read_box(selection.box)[selection.local]

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._closed or self.store.read_only:
            state = "closed" if self._closed else "open read-only"
            raise InputError(f"the annotations are {state}", where=str(self.store.path))
        selection = select(key, self.shape)
        points = self._scattered(selection)
        if selection.plain:
            self._write_box(selection.box, selection.values(value, self.dtype))
        elif points is not None:
            self._write_points(points, np.asarray(value, dtype=self.dtype))
        else:
            block = self._read_box(selection.box)
            block[selection.local] = value
            self._write_box(selection.box, block)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a PaintedArray cannot be seen as a numpy array without a copy")
        return self._read_box(full_region(self.shape)).astype(dtype or self.dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = (np.asarray(i) if isinstance(i, PaintedArray) else i for i in inputs)
        return getattr(ufunc, method)(*arrays, **options)

    def __deepcopy__(self, memo: dict[int, Any]) -> npt.NDArray[Any]:
        """Return a plain array: a duplicated layer is no longer the project's paint."""
        return np.asarray(self)

    def max(self) -> int:
        """Largest label that is painted."""
        return max(self.counts(), default=0)

    def read(self, region: Region) -> npt.NDArray[Any]:
        """Read a region as ``(Z, Y, X)`` label codes."""
        return self._read_box(region)

    def painted_boxes(self) -> list[Region]:
        """Disjoint boxes that together hold every annotated voxel."""
        with self._lock:
            return self._counted().boxes()

    def counts(self) -> dict[int, int]:
        """Annotated voxels per class code, the newest strokes included."""
        with self._lock:
            return self._counted().counts()

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per class code, for each Z slice that has any."""
        with self._lock:
            return self._counted().slice_counts()

    @property
    def unsaved(self) -> int:
        """Number of chunks that are not on disk yet."""
        with self._lock:
            return len(self._dirty.keys() | self._in_flight)

    def flush(self) -> None:
        """Write everything that is unsaved, now.

        Raises
        ------
        InputError
            If there is no room or no permission; everything stays in memory.
        """
        self._save(lambda: True)

    def _save_in_time(self) -> None:
        """Write in the background: new strokes come first, as often as they should be saved."""
        self._save(lambda: time.monotonic() - self._journalled >= self._interval_s)
        if self._dirty:
            self._writer.notify()

    def _save(self, due: Callable[[], bool]) -> None:
        with self._flushing:
            try:
                while self._save_a_little(due()):
                    pass
            except OSError as error:
                raise self._unwritten(error) from error
            finally:
                self._tell_flushed()

    def _save_a_little(self, due: bool) -> bool:
        """Do one short step, so that strokes made meanwhile needn't wait; False if none is left."""
        if due and self._journal_batch():
            return True
        written = self.store.write_some()
        self._shown += written
        return bool(written) or self.store.tidy()

    def _journal_batch(self) -> bool:
        batch = self._take_batch()
        try:
            self.store.journal(batch)
        except BaseException:
            with self._lock:
                self._dirty = dict.fromkeys([*batch, *self._dirty])
                self._in_flight.clear()
            raise
        with self._lock:
            self._in_flight.clear()
        self._journalled = time.monotonic()
        self._tell_flushed()
        return bool(batch)

    def _tell_flushed(self) -> None:
        if self._shown:
            tell(self._on_flushed, [self.store.grid.region(index) for index in self._shown])
            self._shown = []

    def close(self) -> None:
        """Write what is unsaved and end the writing thread.

        Raises
        ------
        InputError
            If something cannot be written: then nothing is closed, and it may be
            called again when there is room.
        """
        self.flush()
        try:
            self.store.close()
        except OSError as error:
            raise self._unwritten(error) from error
        self._closed = True
        self._writer.stop()
        atexit.unregister(self._close_at_exit)

    def _close_at_exit(self) -> None:
        try:
            self.close()
        except InputError as error:
            _log.error("%s", error)

    def _unwritten(self, error: OSError) -> InputError:
        return InputError(
            f"strokes cannot be saved ({error.strerror or error})",
            where=str(self.store.path),
            mend="free some room; until then they are kept in memory",
        )

    def _take_batch(self) -> dict[ChunkIndex, npt.NDArray[Any]]:
        with self._lock:
            batch = {index: self._chunks[index].copy() for index in islice(self._dirty, _BATCH)}
            for index in batch:
                del self._dirty[index]
            self._in_flight = set(batch)
            return batch

    def _scattered(self, selection: Selection) -> npt.NDArray[np.intp] | None:
        """Coordinates of points that lie too far apart to be read as one box."""
        if selection.plain or np.prod(region_shape(selection.box), dtype=float) <= _LARGE_BOX:
            return None
        return selection.points()

    def _read_box(self, box: Region) -> npt.NDArray[Any]:
        out = np.zeros(region_shape(box), self.dtype)
        with self._lock:
            for index in self._painted_in(box):
                chunk = self._chunk(index)
                if chunk is not None:
                    inside, outside = self.store.grid.overlap(index, box)
                    out[outside] = chunk[inside]
        return out

    def _painted_in(self, box: Region) -> list[ChunkIndex]:
        """Chunks of a box that may hold paint; the others needn't be looked at."""
        bounds = self.store.grid.bounds(box)
        planes = (self._known.get(z, set()) for z in range(*bounds[0]))
        (y0, y1), (x0, x1) = bounds[1:]
        return [i for plane in planes for i in plane if y0 <= i[1] < y1 and x0 <= i[2] < x1]

    def _write_box(self, box: Region, values: npt.NDArray[Any]) -> None:
        with self._lock:
            for index, inside, outside in self.store.grid.overlapping(box):
                self._write_chunk(index, inside, values[outside])
        self._writer.notify()

    def _read_points(self, points: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        out = np.zeros(points.shape[1:], self.dtype)
        with self._lock:
            for index, inside, members in self._by_chunk(points):
                chunk = self._chunk(index)
                if chunk is not None:
                    out.reshape(-1)[members] = chunk[inside]
        return out

    def _write_points(self, points: npt.NDArray[np.intp], value: npt.NDArray[Any]) -> None:
        values = np.broadcast_to(value, points.shape[1:]).reshape(-1)
        with self._lock:
            for index, inside, members in self._by_chunk(points):
                self._write_chunk(index, inside, values[members])
        self._writer.notify()

    def _by_chunk(self, points: npt.NDArray[np.intp]) -> list[tuple[ChunkIndex, Any, Any]]:
        flat = points.reshape(3, -1)
        size = np.array(self.store.grid.chunk_shape).reshape(3, 1)
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
            chunk = self.store.read_chunk(index)
        elif create:
            chunk = np.zeros(region_shape(self.store.grid.region(index)), self.dtype)
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
        self._counted()
        kept = self._dirty.keys() | self._in_flight
        spare = [index for index in self._chunks if index not in kept]
        for index in spare[: len(self._chunks) - self._room + self._room // 8]:
            del self._chunks[index]
        # What is unsaved may be more than that: then look again when there is much more.
        self._limit = max(self._room, len(self._chunks) + self._room // 8)

    def _counted(self) -> Tally:
        """Tally with the newest strokes in it; only under the lock."""
        for index in self._uncounted:
            self._tally.set(index, tally_chunk(self._chunks[index]))
        self._uncounted.clear()
        return self._tally
