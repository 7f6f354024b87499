"""OME-Zarr 0.5 output that can be watched while it grows, and resumed."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import zarr
from zarr.codecs import ZstdCodec

from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError
from napari_densify.core.files import replace
from napari_densify.io._guard import guarded
from napari_densify.io._ome import multiscales
from napari_densify.io._pyramid import (
    create_levels,
    level_factors,
    write_coarser,
    write_levels,
)
from napari_densify.io._sink_facts import SinkFacts, write_error
from napari_densify.io._zarr_journal import (
    JOURNAL,
    append,
    journals,
    read_journals,
    require_same_plan,
)

__all__ = ["ZarrSink"]

_CHUNK = (32, 128, 128)


class ZarrSink:
    """Chunked, compressed output with a journal of finished blocks.

    The attribute ``densify.complete`` says whether :meth:`close` was reached. An
    older result under the same name is set aside until then.
    """

    def __init__(
        self,
        path: Path,
        facts: SinkFacts,
        *,
        chunks: Sequence[int] | None,
        resume: bool,
        plan: Mapping[str, Any] | None = None,
    ) -> None:
        self._plan = dict(plan) if plan else None
        self.path, self._facts = path, facts
        self.shape, self.dtype = facts.shape, facts.dtype
        self._lock = threading.Lock()
        self._backup: Path | None = None
        self._done: set[tuple[int, ...]] = set()
        self._reopened = self._whole = False
        try:
            if resume and path.exists():
                self._reopen()
            else:
                self._create(chunks or _CHUNK)
        except OSError as error:
            raise write_error(path, error) from error
        z, y, x = self._array.chunks[-3:]
        self.chunks = (int(z), int(y), int(x))

    def _create(self, chunks: Sequence[int]) -> None:
        if self.path.exists():
            self._backup = Path(
                tempfile.mkdtemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            )
            replace(self.path, self._backup / "old")
        group = zarr.create_group(self.path, zarr_format=3)
        size = tuple(min(int(c), n) for c, n in zip(chunks, self.shape[-3:], strict=True))
        group.attrs.update({"densify": self._own_attributes(complete=False)})
        self._array = group.create_array(
            "0",
            shape=self.shape,
            chunks=(1, *size) if len(self.shape) == 4 else size,
            dtype=self.dtype,
            compressors=ZstdCodec(level=1),
            fill_value=0,
            dimension_names=list("czyx"[-len(self.shape) :]),
        )
        self._factors = create_levels(group, self._facts)
        group.attrs["ome"] = multiscales(self.path.stem, self._facts, self._factors)
        self._group = group

    def _reopen(self) -> None:
        with guarded(str(self.path), "cannot be resumed", mend="start again without --resume"):
            self._group = zarr.open_group(self.path, mode="r+")
            self._array = self._group["0"]
            same = (tuple(self._array.shape), self._array.dtype) == (self.shape, self.dtype)
            own = self._group.attrs.get("densify")
            if not same or not isinstance(own, dict):
                raise InputError("holds another result than the one to go on with")
            require_same_plan(own.get("plan"), self._plan)
            self._done = read_journals(self.path)
            factors = level_factors(self.shape[-3:], self._facts.spacing)
            self._factors = [f for i, f in enumerate(factors) if str(i) in self._group]
        self._reopened = True
        self._whole = bool(own.get("complete")) and own.get("plan") == self._plan
        if not self._whole:
            self._mark(complete=False)

    def _own_attributes(self, *, complete: bool) -> dict[str, Any]:
        table = self._facts.classes
        return {
            "complete": complete,
            "spacing": list(self._facts.spacing),
            "spacing_known": self._facts.spacing_known,
            "classes": table.model_dump(mode="json")["classes"] if table else None,
            **({"plan": self._plan} if self._plan else {}),
        }

    def _mark(self, *, complete: bool) -> None:
        self._group.attrs.update({"densify": self._own_attributes(complete=complete)})

    def write(self, region: Region, array: npt.NDArray[Any]) -> None:
        """Write a block."""
        block = self._facts.block(region, array)
        block = block if len(self.shape) == 4 else block[0]
        try:
            with self._lock:
                self._array[(..., *region)] = block
                # To be looked at meanwhile; written again at the end, when nobody else writes.
                write_coarser(self._group, self._factors, region, block)
        except OSError as error:
            raise write_error(self.path, error) from error

    def done(self, index: Sequence[int]) -> None:
        """Note a finished block in the journal."""
        key = tuple(int(i) for i in index)
        try:
            with self._lock:
                append(self.path / JOURNAL, key)
        except OSError as error:
            raise write_error(self.path, error) from error
        self._done.add(key)

    def is_done(self, index: Sequence[int]) -> bool:
        """Whether this block is in the journal; all are in a result that was completed."""
        return self._whole or tuple(int(i) for i in index) in self._done

    def close(self) -> Path:
        """Add coarser levels, mark the result complete and drop the older one."""
        if self._whole:
            return self.path
        try:
            factors = write_levels(self._group, self._facts)
            self._group.attrs["ome"] = multiscales(self.path.stem, self._facts, factors)
            self._mark(complete=True)
            for journal in journals(self.path):
                journal.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(self.path, error) from error
        self._drop_backup()
        return self.path

    def abort(self) -> None:
        """Keep what was resumed or can be; without a finished block, bring an older result back."""
        if self._done or self._reopened:
            self._drop_backup()
            return
        shutil.rmtree(self.path, ignore_errors=True)
        if self._backup is not None:
            replace(self._backup / "old", self.path)
            self._drop_backup()

    def _drop_backup(self) -> None:
        if self._backup is not None:
            shutil.rmtree(self._backup, ignore_errors=True)
            self._backup = None
