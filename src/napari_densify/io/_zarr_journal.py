"""Which blocks of a growing zarr are finished: one line a block, one file a process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import zarr

from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError
from napari_densify.io._sink_facts import write_error

__all__ = ["JOURNAL", "ZarrPart", "append", "journals", "read_journals", "require_same_plan"]

JOURNAL = "0/densify-done.txt"  # not beside the array: readers warn of strangers there

Index = tuple[int, ...]


def journals(path: Path) -> list[Path]:
    """Journals of a zarr: that of the process that made it, and those of workers."""
    return sorted(path.glob("0/densify-done*.txt"))


def append(journal: Path, index: Sequence[int]) -> None:
    """Note a finished block."""
    with journal.open("a") as stream:
        stream.write(" ".join(map(str, index)) + "\n")


def read_journals(path: Path) -> set[Index]:
    """Finished blocks of a zarr; a line that a kill cut off doesn't count."""
    lines = [line for j in journals(path) for line in j.read_text().split("\n")[:-1]]
    return {tuple(map(int, line.split())) for line in lines}


def require_same_plan(found: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> None:
    """Refuse to go on with a result that was begun in another way.

    Raises
    ------
    InputError
        If model, image, region, block or anything else that decides the bytes differs.
    """
    if not found or not wanted:
        return
    other = [key for key in wanted if found.get(key) != wanted[key]]
    if other:
        raise InputError(
            f"was begun with another {', '.join(other)}",
            mend="give the same as then, or start again without --resume",
        )


class ZarrPart:
    """The growing zarr of another process, written to by a worker of a cluster.

    Chunks are replaced whole, so a worker that is killed leaves none torn; a block
    counts once it is in the worker's own journal.

    Parameters
    ----------
    path
        What :class:`ZarrSink` has created.
    worker
        Name of the worker: no two may have the same.
    """

    def __init__(self, path: Path, worker: str) -> None:
        self.path = path
        self._array: Any = zarr.open_array(path / "0", mode="r+")
        self._journal = path / f"0/densify-done-{worker}.txt"
        self._read: dict[Path, int] = {}
        self._done: set[Index] = set()

    def write(self, region: Region, array: npt.NDArray[Any]) -> None:
        """Write ``(z, y, x)`` or ``(C, z, y, x)`` values of a block of whole chunks."""
        try:
            self._array[(..., *region)] = array
        except OSError as error:
            raise write_error(self.path, error) from error

    def done(self, index: Sequence[int]) -> None:
        """Note a finished block."""
        try:
            append(self._journal, index)
        except OSError as error:
            raise write_error(self.path, error) from error

    def is_done(self, index: Sequence[int]) -> bool:
        """Whether any worker has written this block, by now."""
        for journal in journals(self.path):
            start = self._read.get(journal, 0)
            if journal.stat().st_size == start:
                continue
            with journal.open() as stream:
                stream.seek(start)
                whole, found, _ = stream.read().rpartition("\n")
            self._read[journal] = start + len(whole) + len(found)
            self._done |= {tuple(map(int, line.split())) for line in whole.split("\n") if line}
        return tuple(index) in self._done
