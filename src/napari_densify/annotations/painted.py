"""The array that a napari Labels layer holds: paint in memory, on disk within a second."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

from napari_densify.annotations.background import BackgroundWriter, tell
from napari_densify.annotations.cache import ChunkCache
from napari_densify.annotations.chunks import ChunkIndex
from napari_densify.annotations.indexing import Selection, select
from napari_densify.annotations.store import AnnotationStore
from napari_densify.core.blocks import Region, full_region, region_shape
from napari_densify.core.errors import InputError

__all__ = ["PaintedArray"]

_log = logging.getLogger(__name__)

INTERVAL_S = 0.15
"""Strokes are written this long after they began: a kill loses no more than that."""

_LARGE_BOX = 2**24


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
        self._cache = ChunkCache(store)
        self._flushing = threading.Lock()
        self._writer = BackgroundWriter(
            self._save_in_time, interval_s=interval_s, on_error=on_error, on_recovered=on_recovered
        )
        atexit.register(self._keep_at_exit)

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
            return self._cache.read_points(points)
        return self._cache.read_box(selection.box)[selection.local]

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._closed or self.store.read_only:
            state = "closed" if self._closed else "open read-only"
            raise InputError(f"the annotations are {state}", where=str(self.store.path))
        selection = select(key, self.shape)
        points = self._scattered(selection)
        if selection.plain:
            self._cache.write_box(selection.box, selection.values(value, self.dtype))
        elif points is not None:
            self._cache.write_points(points, np.asarray(value, dtype=self.dtype))
        else:
            block = self._cache.read_box(selection.box)
            block[selection.local] = value
            self._cache.write_box(selection.box, block)
        self._writer.notify()

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a PaintedArray cannot be seen as a numpy array without a copy")
        return self._cache.read_box(full_region(self.shape)).astype(dtype or self.dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = (np.asarray(i) if isinstance(i, PaintedArray) else i for i in inputs)
        return getattr(ufunc, method)(*arrays, **options)

    def __deepcopy__(self, memo: dict[int, Any]) -> npt.NDArray[Any]:
        """Return a plain array: a duplicated layer is no longer the project's paint."""
        return np.asarray(self)

    def max(self) -> int:
        """Largest label that is painted."""
        return max(self.counts(), default=0)

    def read(self, region: Region, step: tuple[int, int, int] = (1, 1, 1)) -> npt.NDArray[Any]:
        """Read a region as ``(Z, Y, X)`` label codes, or every ``step``-th voxel of it."""
        return self._cache.read_box(region, step)

    def painted_boxes(self) -> list[Region]:
        """Disjoint boxes that together hold every annotated voxel."""
        with self._cache.lock:
            return self._cache.counted().boxes()

    def counts(self) -> dict[int, int]:
        """Annotated voxels per class code, the newest strokes included."""
        with self._cache.lock:
            return self._cache.counted().counts()

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per class code, for each Z slice that has any."""
        with self._cache.lock:
            return self._cache.counted().slice_counts()

    @property
    def unsaved(self) -> int:
        """Number of chunks that are not on disk yet."""
        return self._cache.unsaved()

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
        if self.unsaved:
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
        # A disk that is slow to sync must not keep the strokes made meanwhile waiting.
        self._shown += self.store.write_some(self._interval_s)
        return self.store.unwritten or self.store.tidy(self._interval_s)

    def _journal_batch(self) -> bool:
        batch = self._cache.take_batch()
        try:
            self.store.journal(batch)
        except BaseException:
            self._cache.settle(batch, saved=False)
            raise
        self._cache.settle(batch, saved=True)
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
        atexit.unregister(self._keep_at_exit)

    def _keep_at_exit(self) -> None:
        """Put what is unsaved into the journal: zarr cannot write any more at that point."""
        try:
            with self._flushing:
                while self._journal_batch():
                    pass
                self.store.sync_journal()
        except OSError as error:
            _log.error("%s", self._unwritten(error))

    def _unwritten(self, error: OSError) -> InputError:
        return InputError(
            f"strokes cannot be saved ({error.strerror or error})",
            where=str(self.store.path),
            mend="free some room; until then they are kept in memory",
        )

    def _scattered(self, selection: Selection) -> npt.NDArray[np.intp] | None:
        """Coordinates of points that lie too far apart to be read as one box."""
        if selection.plain or np.prod(region_shape(selection.box), dtype=float) <= _LARGE_BOX:
            return None
        return selection.points()
