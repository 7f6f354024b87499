"""Annotations on disk: a sparse zarr array, its journal, and what is painted where."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.annotations.chunk_files import ChunkFiles, Signature, create_array
from napari_densify.annotations.chunks import ChunkIndex, rows_of
from napari_densify.annotations.journal import Journal
from napari_densify.annotations.tally import ChunkTally, Tally, tally_chunk
from napari_densify.core.blocks import Region, region_shape
from napari_densify.core.errors import InputError
from napari_densify.core.files import atomic_write_json, replace

__all__ = ["AnnotationStore"]

_JOURNAL_LIMIT = 4 * 2**20


class AnnotationStore:
    """Sparse ``(Z, Y, X)`` labels in a zarr array; chunks without paint don't exist.

    One process writes, any number read at the same time: a chunk's file is
    replaced in one step, so a reader sees the old chunk or the new one.

    Parameters
    ----------
    path
        Folder made by :meth:`create`.
    read_only
        For every process but the one that paints.

    Attributes
    ----------
    damaged
        Files of chunks that could not be decoded (a failing disk) when a writer
        opened the store: set aside, nothing was read from them.

    Raises
    ------
    InputError
        If there is no such array at ``path``.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.read_only = read_only
        self._files = ChunkFiles(self.path, read_only=read_only)
        self.grid, self.dtype = self._files.grid, self._files.dtype
        self.shape = self.grid.shape
        self.damaged: list[Path] = []
        self._own = self.path / ".densify"
        self._journal = Journal(self._own / "journal", grid=self.grid, dtype=self.dtype)
        self._lock = RLock()
        self._tally = Tally(self.grid)
        self._signatures: dict[ChunkIndex, Signature] = {}
        # Journalled, but not yet in a file of its own (the disk was full).
        self._pending: dict[ChunkIndex, npt.NDArray[Any]] = {}
        self._unsynced: set[ChunkIndex] = set()
        self._syncing: list[ChunkIndex] = []
        self._load_counts()
        if not read_only:
            self._recover()
        self.refresh()

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        shape: Sequence[int],
        dtype: npt.DTypeLike = np.uint8,
        edge: int = 256,
    ) -> AnnotationStore:
        """Make an empty store and open it for writing.

        Parameters
        ----------
        path
            New folder.
        shape
            Voxels along Z, Y, X.
        dtype
            uint8, or uint16 past 255 classes; uint32 for object ids.
        edge
            Edge of a chunk in Y and X; chunks are one slice deep.

        Raises
        ------
        InputError
            If an array stands at ``path`` already.
        """
        create_array(Path(path), shape=shape, dtype=dtype, edge=edge)
        return cls(path)

    def read(self, region: Region) -> npt.NDArray[Any]:
        """Read a region as ``(Z, Y, X)`` label codes, as they are on disk now."""
        out = np.zeros(region_shape(region), self.dtype)
        for index, inside, outside in self.grid.overlapping(region):
            if index in self._pending or self._files.file(index).exists():
                out[outside] = self.read_chunk(index)[inside]
        return out

    def read_chunk(self, index: ChunkIndex) -> npt.NDArray[Any]:
        """Read one chunk as a new array, clipped to the volume.

        Raises
        ------
        InputError
            If its file is damaged.
        """
        pending = self._pending.get(index)
        if pending is not None:
            return pending.copy()
        try:
            return self._files.read(index)
        except InputError:
            # A power cut may take what was not synced yet; the journal always was.
            journalled = self._journal.read().get(index)
            if journalled is None:
                raise
            return journalled

    def painted_boxes(self) -> list[Region]:
        """Disjoint boxes that together hold every annotated voxel."""
        with self._lock:
            return self._followed().boxes()

    def counts(self) -> dict[int, int]:
        """Annotated voxels per class code."""
        with self._lock:
            return self._followed().counts()

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per class code, for each Z slice that has any."""
        with self._lock:
            return self._followed().slice_counts()

    def tally(self) -> Tally:
        """Copy of what is painted where."""
        with self._lock:
            return self._tally.copy()

    def refresh(self) -> None:
        """Take note of chunks that another process wrote; only those are read."""
        with self._lock:
            current = self._files.scan()
            for index in self._signatures.keys() - current.keys() - self._pending.keys():
                self._note(index, None, None)
            for index, signature in current.items():
                if self._signatures.get(index) != signature:
                    self._recount(index, signature)

    def write(self, region: Region, labels: npt.NDArray[Any]) -> None:
        """Write ``(Z, Y, X)`` labels into a region, slice by slice.

        Raises
        ------
        OSError
            If there is no room; what was there before is intact.
        """
        for i, z in enumerate(range(region[0].start, region[0].stop)):
            chunks: dict[ChunkIndex, npt.NDArray[Any]] = {}
            layer = (slice(z, z + 1), region[1], region[2])
            for index, inside, outside in self.grid.overlapping(layer):
                piece = labels[i : i + 1][outside]
                if piece.any() or index in self._tally:
                    chunks[index] = self.read_chunk(index)
                    chunks[index][inside] = piece
            self.write_chunks(chunks)

    def write_chunks(self, chunks: Mapping[ChunkIndex, npt.NDArray[Any]]) -> None:
        """Write whole chunks, all or none of them even if the process is killed.

        The arrays must not be changed afterwards.

        Raises
        ------
        OSError
            If there is no room or no permission. Nothing is lost: what reached the
            journal is written on the next call, or when the store is opened again.
        """
        self.journal(chunks)
        while self.write_some():
            pass
        while self.tidy():
            pass

    def journal(self, chunks: Mapping[ChunkIndex, npt.NDArray[Any]]) -> None:
        """Make chunks safe from kills and power cuts; :meth:`write_some` shows them to readers.

        Raises
        ------
        OSError
            If there is no room or no permission; then nothing of them is kept.
        """
        fresh = {i: c for i, c in chunks.items() if not self._is_pending(i, c)}
        if not fresh:
            return
        self._own.mkdir(exist_ok=True)
        try:
            self._journal.append(fresh)
        except OSError:
            # Records of chunks that have been written since only take room.
            self.checkpoint()
            self._journal.append(fresh)
        self._pending.update(fresh)

    def write_some(self) -> list[ChunkIndex]:
        """Write a few of the journalled chunks to their files.

        Returns
        -------
        Chunks written; empty if none was left to write.

        Raises
        ------
        OSError
            If there is no room or no permission; they stay in the journal.
        """
        row = next(iter(rows_of(self._pending)), [])
        if row:
            self._files.write_row(row[0], [self._pending[index] for index in row])
        for index in row:
            tally = tally_chunk(self._pending[index])
            with self._lock:
                self._unsynced.add(index)
                self._note(index, tally, self._files.signature(index) if tally else None)
                del self._pending[index]
        return row

    def tidy(self) -> bool:
        """Do one step of what lets a grown journal go; False if there is nothing to do."""
        if self._syncing:
            self._files.sync([self._syncing.pop()])
            if not self._syncing:
                self._journal.drop_older()
                self._save_counts()
            return True
        if self.read_only or self._pending or self._journal.size() < _JOURNAL_LIMIT:
            return False
        self._journal.rotate()
        self._syncing, self._unsynced = list(self._unsynced), set()
        return True

    def checkpoint(self) -> None:
        """Sync the chunks written so far; then the journal that guarded them can go."""
        self._files.sync([*self._syncing, *self._unsynced])
        self._syncing.clear()
        self._unsynced.clear()
        if not self._pending:
            self._journal.clear()

    def close(self) -> None:
        """Sync everything and save the counts, so that the next opening is quick.

        Raises
        ------
        OSError
            If there is no room for what is still to be written.
        """
        if self.read_only:
            return
        while self.write_some():
            pass
        self.checkpoint()
        self._save_counts()

    def snapshot(self, target: str | Path) -> None:
        """Copy the store as it is on disk, at almost no cost (hard links)."""
        self._files.snapshot(Path(target))

    def _is_pending(self, index: ChunkIndex, chunk: npt.NDArray[Any]) -> bool:
        pending = self._pending.get(index)
        return pending is not None and np.array_equal(pending, chunk)

    def _recover(self) -> None:
        self._files.drop_leftovers()
        self._pending = self._journal.read()
        for index, chunk in self._pending.items():
            self._note(index, tally_chunk(chunk), None)
        try:
            while self.write_some():
                pass
            self.checkpoint()
        except OSError:
            return  # a full disk: all is still in the journal and in memory

    def _followed(self) -> Tally:
        if self.read_only:
            self.refresh()
        return self._tally

    def _recount(self, index: ChunkIndex, signature: Signature) -> None:
        try:
            self._note(index, tally_chunk(self.read_chunk(index)), signature)
        except InputError:
            self._note(index, None, signature)
            if not self.read_only:
                self._set_aside(index)

    def _set_aside(self, index: ChunkIndex) -> None:
        self._own.mkdir(exist_ok=True)
        file = self._files.file(index)
        aside = self._own / f"damaged-{time.time_ns()}-{file.name}"
        replace(file, aside)
        self.damaged.append(aside)

    def _note(
        self, index: ChunkIndex, tally: ChunkTally | None, signature: Signature | None
    ) -> None:
        self._tally.set(index, tally)
        if signature is None:
            self._signatures.pop(index, None)
        else:
            self._signatures[index] = signature

    def _save_counts(self) -> None:
        with self._lock:
            rows = [
                [index, self._signatures[index], sorted(item.counts.items()), item.bounds]
                for index, item in self._tally.items()
                if index in self._signatures
            ]
        # On a full disk it stays as it was: it is only a cache.
        with suppress(OSError):
            atomic_write_json(self._own / "counts.json", rows)

    def _load_counts(self) -> None:
        try:
            rows = json.loads((self._own / "counts.json").read_text())
            for (z, y, x), (mtime, size, inode), counts, (y0, y1, x0, x1) in rows:
                tally = ChunkTally({int(v): int(n) for v, n in counts}, (y0, y1, x0, x1))
                self._note((z, y, x), tally, (mtime, size, inode))
        except (OSError, ValueError, TypeError):
            # Only a cache: refresh() counts whatever is missing from it.
            self._tally, self._signatures = Tally(self.grid), {}
