"""Annotations on disk: a sparse zarr array, its journal, and what is painted where."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.annotations.chunk_files import ChunkFiles, Signature, create_array
from napari_densify.annotations.chunks import ChunkIndex
from napari_densify.annotations.journal import Journal
from napari_densify.annotations.ledger import Ledger
from napari_densify.annotations.outbox import Outbox
from napari_densify.annotations.tally import Tally, tally_chunk
from napari_densify.core.blocks import Region, region_shape
from napari_densify.core.errors import InputError
from napari_densify.core.files import replace

__all__ = ["AnnotationStore"]


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
        self._ledger = Ledger(self._own / "counts.json", self.grid)
        self._outbox = Outbox(self._files, self._journal, self._written)
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
            if index in self._outbox.pending or self._files.file(index).exists():
                out[outside] = self.read_chunk(index)[inside]
        return out

    def read_chunk(self, index: ChunkIndex) -> npt.NDArray[Any]:
        """Read one chunk as a new array, clipped to the volume.

        Raises
        ------
        InputError
            If its file is damaged.
        """
        pending = self._outbox.pending.get(index)
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
        with self._ledger.lock:
            return self._followed().boxes()

    def counts(self) -> dict[int, int]:
        """Annotated voxels per class code."""
        with self._ledger.lock:
            return self._followed().counts()

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per class code, for each Z slice that has any."""
        with self._ledger.lock:
            return self._followed().slice_counts()

    def tally(self) -> Tally:
        """Copy of what is painted where."""
        with self._ledger.lock:
            return self._ledger.tally.copy()

    def refresh(self) -> None:
        """Take note of chunks that another process wrote; only those are read."""
        ledger, pending = self._ledger, self._outbox.pending
        with ledger.lock:
            current = self._files.scan()
            for index in ledger.signatures.keys() - current.keys() - pending.keys():
                ledger.note(index, None, None)
            for index, signature in current.items():
                if ledger.signatures.get(index) != signature:
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
                if piece.any() or index in self._ledger.tally:
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

    @property
    def unwritten(self) -> bool:
        """Whether chunks are in the journal that readers can't see yet."""
        return bool(self._outbox.pending)

    def journal(self, chunks: Mapping[ChunkIndex, npt.NDArray[Any]]) -> None:
        """Make chunks safe from kills; :meth:`write_some` syncs and shows them to readers.

        Raises
        ------
        OSError
            If there is no room or no permission; then nothing of them is kept.
        """
        self._own.mkdir(exist_ok=True)
        self._outbox.put(chunks)

    def sync_journal(self) -> None:
        """Make what was journalled safe from power cuts too, now."""
        self._journal.sync()

    def write_some(self, patience_s: float | None = None) -> list[ChunkIndex]:
        """Sync the journal and write a few of its chunks to their files.

        Parameters
        ----------
        patience_s
            How long to wait for a slow disk to sync; by default until it has.

        Returns
        -------
        Chunks written; empty if none was left to write, or patience was at its end.

        Raises
        ------
        OSError
            If there is no room or no permission; they stay in the journal.
        """
        return self._outbox.write_some(patience_s)

    def tidy(self, patience_s: float | None = None) -> bool:
        """Do one step of what lets a grown journal go; False if there is nothing to do."""
        if self.read_only:
            return False
        before = self._outbox.tidying
        more = self._outbox.tidy(patience_s)
        if before and not self._outbox.tidying:
            self._ledger.save()
        return more

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
        self._outbox.checkpoint()
        self._ledger.save()

    def snapshot(self, target: str | Path) -> None:
        """Copy the store as it is on disk, at almost no cost (hard links)."""
        self._files.snapshot(Path(target))

    def _written(self, index: ChunkIndex, chunk: npt.NDArray[Any]) -> None:
        tally = tally_chunk(chunk)
        self._ledger.note(index, tally, self._files.signature(index) if tally else None)

    def _recover(self) -> None:
        self._files.drop_leftovers()
        self._outbox.recover()
        for index, chunk in self._outbox.pending.items():
            self._ledger.note(index, tally_chunk(chunk), None)
        try:
            while self.write_some():
                pass
            self._outbox.checkpoint()
        except OSError:
            return  # a full disk: all is still in the journal and in memory

    def _followed(self) -> Tally:
        if self.read_only:
            self.refresh()
        return self._ledger.tally

    def _recount(self, index: ChunkIndex, signature: Signature) -> None:
        try:
            self._ledger.note(index, tally_chunk(self.read_chunk(index)), signature)
        except InputError:
            self._ledger.note(index, None, signature)
            if not self.read_only:
                self._set_aside(index)

    def _set_aside(self, index: ChunkIndex) -> None:
        self._own.mkdir(exist_ok=True)
        file = self._files.file(index)
        aside = self._own / f"damaged-{time.time_ns()}-{file.name}"
        replace(file, aside)
        self.damaged.append(aside)
