"""What the files of chunks hold, remembered across openings so that only changes are read."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from threading import RLock

from napari_densify.annotations.chunk_files import Signature
from napari_densify.annotations.chunks import ChunkGrid, ChunkIndex
from napari_densify.annotations.tally import ChunkTally, Tally
from napari_densify.core.files import atomic_write_json

__all__ = ["Ledger"]


class Ledger:
    """Tallies of chunks, each with the signature of the file that it was counted in.

    Parameters
    ----------
    path
        JSON file that keeps it; only a cache, whatever it lacks is counted again.
    grid
        Grid of chunks.

    Attributes
    ----------
    tally
        What is painted where.
    signatures
        Of the files counted; a chunk that is on its way to disk has none.
    lock
        Held while either is looked at or changed.
    """

    def __init__(self, path: Path, grid: ChunkGrid) -> None:
        self.lock = RLock()
        self.tally = Tally(grid)
        self.signatures: dict[ChunkIndex, Signature] = {}
        self._path = path
        self._load(grid)

    def note(
        self, index: ChunkIndex, tally: ChunkTally | None, signature: Signature | None
    ) -> None:
        """Enter what a chunk holds, and the file that holds it."""
        with self.lock:
            self.tally.set(index, tally)
            if signature is None:
                self.signatures.pop(index, None)
            else:
                self.signatures[index] = signature

    def save(self) -> None:
        """Keep it for the next opening; on a full disk it stays as it was."""
        with self.lock:
            rows = [
                [index, self.signatures[index], sorted(item.counts.items()), item.bounds]
                for index, item in self.tally.items()
                if index in self.signatures
            ]
        with suppress(OSError):
            atomic_write_json(self._path, rows)

    def _load(self, grid: ChunkGrid) -> None:
        try:
            rows = json.loads(self._path.read_text())
            for (z, y, x), (mtime, size, inode), counts, (y0, y1, x0, x1) in rows:
                tally = ChunkTally({int(v): int(n) for v, n in counts}, (y0, y1, x0, x1))
                self.note((z, y, x), tally, (mtime, size, inode))
        except (OSError, ValueError, TypeError):
            self.tally, self.signatures = Tally(grid), {}
