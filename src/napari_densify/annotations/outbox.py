"""Chunks on their way to disk: journalled at once, synced aside, then in files of their own.

A slow disk can take seconds to sync. Writing to the journal takes no sync, and is all
that a stroke needs to survive the end of its process; so syncing has a thread of its own,
and strokes made meanwhile are journalled without waiting for it. Files of chunks are only
replaced once the journal is synced, so that a power cut can tear none that it cannot mend.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.annotations.chunk_files import ChunkFiles
from napari_densify.annotations.chunks import ChunkIndex, rows_of
from napari_densify.annotations.journal import Journal

__all__ = ["Chunks", "Outbox", "Syncer"]

Chunks = dict[ChunkIndex, npt.NDArray[Any]]

_JOURNAL_LIMIT = 4 * 2**20


class Syncer:
    """Does one slow thing at a time on a thread of its own."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    @property
    def busy(self) -> bool:
        """Whether something was begun whose end :meth:`wait` has not told yet."""
        return self._thread is not None

    def begin(self, act: Callable[[], None]) -> None:
        """Start something; only when not busy."""
        self._thread = threading.Thread(target=self._run, args=(act,), daemon=True)
        self._thread.start()

    def wait(self, patience_s: float | None = None) -> bool:
        """Wait for the end of it, not longer than told; True if nothing is under way.

        Raises
        ------
        OSError
            That of what was done.
        """
        if self._thread is not None:
            self._thread.join(patience_s)
            if self._thread.is_alive():
                return False
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True

    def _run(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            self._error = error


class Outbox:
    """What is written, but not yet where it belongs; used by one thread at a time.

    Parameters
    ----------
    files
        Where chunks go.
    journal
        Where they are until then.
    written
        Told of each chunk that is in its file now.

    Attributes
    ----------
    pending
        Newest content of chunks that are in the journal only.
    """

    def __init__(
        self,
        files: ChunkFiles,
        journal: Journal,
        written: Callable[[ChunkIndex, npt.NDArray[Any]], None],
    ) -> None:
        self.pending: Chunks = {}
        self._files, self._journal, self._written = files, journal, written
        self._appended: Chunks = {}  # since the last sync began
        self._being_synced: Chunks = {}
        self._synced: Chunks = {}
        self._unsynced_files: set[ChunkIndex] = set()
        self._tidying: list[ChunkIndex] = []
        self._journal_syncer, self._file_syncer = Syncer(), Syncer()

    @property
    def tidying(self) -> bool:
        """Whether an older part of the journal is still needed."""
        return bool(self._tidying)

    def recover(self) -> None:
        """Take up what an earlier process left in the journal."""
        with suppress(OSError):  # then nothing can be appended behind it either
            self._journal.mend()
        self.pending = self._journal.read()
        self._synced = dict(self.pending)

    def put(self, chunks: Mapping[ChunkIndex, npt.NDArray[Any]]) -> None:
        """Append chunks to the journal: they survive the end of this process.

        Raises
        ------
        OSError
            If there is no room or no permission; then nothing of them is kept.
        """
        fresh = {i: c for i, c in chunks.items() if not self._holds(i, c)}
        if not fresh:
            return
        try:
            self._journal.append(fresh)
        except OSError:
            # Records of chunks that have been written since only take room.
            self.checkpoint()
            self._journal.append(fresh)
        self.pending.update(fresh)
        self._appended.update(fresh)

    def write_some(self, patience_s: float | None = None) -> list[ChunkIndex]:
        """Write a few chunks to their files, and return which.

        None if nothing is pending, or if the journal takes longer than
        ``patience_s`` to sync.

        Raises
        ------
        OSError
            If there is no room or no permission; they stay in the journal.
        """
        self._sync_journal(0.0 if self._synced else patience_s)
        if not self._synced:
            self._sync_journal(patience_s)
        row = next(iter(rows_of(self._synced)), [])
        if row:
            self._files.write_row(row[0], [self._synced[index] for index in row])
        for index in row:
            chunk = self._synced.pop(index)
            self._unsynced_files.add(index)
            self._written(index, chunk)
            if self.pending.get(index) is chunk:
                del self.pending[index]
        return row

    def tidy(self, patience_s: float | None = None) -> bool:
        """Do one step of what lets a grown journal go; False if there is nothing to do."""
        if self._tidying:
            if not self._file_syncer.busy:
                self._file_syncer.begin(partial(self._files.sync, [self._tidying[-1]]))
            if self._file_syncer.wait(patience_s):
                self._tidying.pop()
                if not self._tidying:
                    self._journal.drop_older()
            return True
        if self.pending or self._journal.size() < _JOURNAL_LIMIT:
            return False
        self._journal.rotate()
        self._tidying, self._unsynced_files = list(self._unsynced_files), set()
        return True

    def checkpoint(self) -> None:
        """Sync the chunks written so far; then the journal that guarded them can go."""
        self._journal_syncer.wait()
        self._file_syncer.wait()
        self._files.sync([*self._tidying, *self._unsynced_files])
        self._tidying.clear()
        self._unsynced_files.clear()
        if not self.pending:
            self._journal.clear()

    def _sync_journal(self, patience_s: float | None) -> None:
        """Take note of what is synced by now, and begin with what was appended since."""
        try:
            if not self._journal_syncer.wait(patience_s):
                return
        except OSError:
            self._forget_unsynced()
            raise
        self._synced.update(self._being_synced)
        self._being_synced, self._appended = self._appended, {}
        if self._being_synced:
            self._journal_syncer.begin(self._journal.sync)

    def _forget_unsynced(self) -> None:
        """Append again what failed to sync: a second sync would claim success untruly."""
        failed = {**self._being_synced, **self._appended}
        self._being_synced, self._appended = {}, {}
        for index in failed:
            self.pending.pop(index, None)
        self.put(failed)

    def _holds(self, index: ChunkIndex, chunk: npt.NDArray[Any]) -> bool:
        pending = self.pending.get(index)
        return pending is not None and np.array_equal(pending, chunk)
