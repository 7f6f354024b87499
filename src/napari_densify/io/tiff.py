"""TIFF: plain, multi-page, BigTIFF, compressed, tiled, ImageJ and OME."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from tifffile import CHUNKMODE, TiffFile, TiffPageSeries

from napari_densify.core.errors import InputError
from napari_densify.core.volume import ArrayLike
from napari_densify.io._address import Address
from napari_densify.io._flat import FlatArray
from napari_densify.io._guard import guarded
from napari_densify.io._source import DatasetInfo, Reader, Source
from napari_densify.io._tiff_metadata import read_tag, stated_spacing

__all__ = ["READER"]

_SMALL_STRIP = 64 * 1024
_MEND = "copy or export it again"
_DAMAGE = (
    "invalid page offset",
    "invalid offset to",
    "corrupted tag list",
    "circular reference",
)


class _DamageLog(logging.Handler):
    """Collects what tifffile only logs: a page chain that breaks off."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.thread == self._thread and any(d in message for d in _DAMAGE):
            self.found.append(message)


@contextmanager
def _damage_log() -> Iterator[list[str]]:
    log, logger = _DamageLog(), logging.getLogger("tifffile")
    logger.addHandler(log)
    propagate, logger.propagate = logger.propagate, False
    try:
        yield log.found
    finally:
        logger.removeHandler(log)
        logger.propagate = propagate


def _parse(path: str) -> TiffFile:
    """Open a TIFF; refuse one whose pages break off, which tifffile would just shorten."""
    with guarded(path, "cannot be read as TIFF"), _damage_log() as damage:
        tif = TiffFile(path)
        try:
            # Walks the chain of pages first: a circular one would keep .series for ever.
            pages = len(tif.pages)
            found = [] if damage else tif.series
            if damage:
                raise InputError(f"the file is cut off or damaged after page {pages}", mend=_MEND)
            if not found:
                raise InputError("holds no image")
        except BaseException:
            tif.close()
            raise
        return tif


def _pick(tif: TiffFile, address: Address) -> int:
    """Index of the series that is meant: by number or name, else the largest."""
    names = [str(s.name) for s in tif.series]
    if not address.dataset:
        return max(range(len(names)), key=lambda i: int(tif.series[i].nbytes))
    if address.dataset in names:
        return names.index(address.dataset)
    if address.dataset.isdecimal() and int(address.dataset) < len(names):
        return int(address.dataset)
    raise InputError(
        f"holds no image {address.dataset!r}",
        where=address.path,
        mend=f"one of: {', '.join(map(str, range(len(names))))}",
    )


def open_tiff(address: Address, level: int) -> Source:
    """Open one series of a TIFF file."""
    with closing(_parse(address.path)) as tif:
        index = _pick(tif, address)
        series = tif.series[index]
        if level >= len(series.levels):
            raise InputError(
                f"there is no pyramid level {level}",
                where=address.path,
                mend=f"the image has {len(series.levels)}",
            )
        chosen = series.levels[level]
        spacing, tag = stated_spacing(tif), read_tag(tif)
        if tag is not None:
            z, y, x = tag.spacing if tag.spacing_known else (None, None, None)
            spacing = (z, y, x)
        data, chunks = _array(address, tif, chosen, index, level)
        axes, notes = _axes(tif, chosen)
        return Source(
            data=data,
            axes=axes,
            format="TIFF",
            spacing=_scaled(spacing, series, chosen),
            chunks=chunks,
            levels=tuple(tuple(s.shape) for s in series.levels),
            classes=tag.classes if tag else None,
            notes=notes,
        )


def _axes(tif: TiffFile, series: TiffPageSeries) -> tuple[str, tuple[str, ...]]:
    """Axes of a series; undoes tifffile's old habit of writing 3 slices as RGB planes."""
    axes = str(series.axes)
    if tif.is_shaped and axes == "SYX":
        return "ZYX", (f"its {series.shape[0]} colour planes are taken as slices",)
    return axes, ()


def _scaled(
    spacing: tuple[float | None, float | None, float | None],
    full: TiffPageSeries,
    level: TiffPageSeries,
) -> tuple[float | None, float | None, float | None]:
    sizes = {a: n / m for a, n, m in zip(full.axes, full.shape, level.shape, strict=True)}
    z, y, x = (
        None if s is None else s * sizes.get(a, 1) for s, a in zip(spacing, "ZYX", strict=True)
    )
    return z, y, x


def _array(
    address: Address, tif: TiffFile, series: TiffPageSeries, index: int, level: int
) -> tuple[ArrayLike, tuple[int, ...]]:
    if series.dataoffset is not None:
        dtype = np.dtype(series.dtype).newbyteorder(tif.byteorder)
        flat = FlatArray(address.file, series.dataoffset, tuple(series.shape), dtype)
        return flat, (*(1,) * (len(series.shape) - 2), *series.shape[-2:])
    chunked = _ChunkedTiff(address.path, index, level, tif)
    return chunked, chunked.chunks


def list_tiff(address: Address) -> tuple[DatasetInfo, ...]:
    """List the image series of a TIFF file."""
    with closing(_parse(address.path)) as tif:
        several = len(tif.series) > 1
        return tuple(
            DatasetInfo(str(i) if several else "", tuple(s.shape), str(s.dtype))
            for i, s in enumerate(tif.series)
        )


class _ChunkedTiff:
    """Tiles, strips or pages of a TIFF, decoded when they are asked for.

    The file is opened again for each piece, so that it can be replaced meanwhile.
    A copy in another process parses it anew.
    """

    def __init__(self, path: str, series: int, level: int, tif: TiffFile | None = None) -> None:
        self._arguments = (path, series, level)
        tif = tif or _parse(path)
        self._lock = threading.Lock()
        self._file = tif.filehandle
        self._series = tif.series[series].levels[level]
        self._bytes = os.path.getsize(path)
        page = self._series.keyframe
        if len(page.dataoffsets) < prod(page.chunked):
            raise InputError("some of its pieces are missing", where=path, mend=_MEND)
        store = self._series.aszarr(chunkmode=_chunk_mode(self._series))
        self._array = zarr.open_array(store, mode="r")
        self.shape: tuple[int, ...] = tuple(self._array.shape)
        self.dtype: np.dtype[Any] = np.dtype(self._array.dtype)
        self.chunks: tuple[int, ...] = tuple(self._array.chunks)
        self._file.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _ChunkedTiff, self._arguments

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Read a box given by one slice an axis."""
        with self._lock:
            self._file.open()
            try:
                self._require_complete(key)
                return np.asarray(self._array[key])
            finally:
                self._file.close()

    def _require_complete(self, key: tuple[slice, ...]) -> None:
        """Refuse pages whose data lie beyond the end: some codecs decode anything."""
        pages = self._series.pages
        per_index = int(np.prod(self.shape[1:-2], dtype=object)) if len(self.shape) > 2 else 1
        first, last = (0, len(pages)) if len(self.shape) < 3 else key[0].indices(self.shape[0])[:2]
        if len(pages) != per_index * (self.shape[0] if len(self.shape) > 2 else 1):
            first, last, per_index = 0, min(len(pages), 1), 1
        for page in (pages[i] for i in range(first * per_index, last * per_index)):
            ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
            if ends and max(ends) > self._bytes:
                raise InputError(
                    "the file is cut off: a page lies beyond its end",
                    where=self._arguments[0],
                    mend=_MEND,
                )


def _chunk_mode(series: TiffPageSeries) -> CHUNKMODE:
    """Read whole pages where the file has strips so small that each costs more than it saves."""
    page = series.keyframe
    strip = int(np.prod(page.chunks)) * page.dtype.itemsize
    small = not page.is_tiled and strip < _SMALL_STRIP
    return CHUNKMODE.PAGE if small else CHUNKMODE.STRILE


READER = Reader(
    name="TIFF",
    suffixes=(".tif", ".tiff", ".btf", ".tf8", ".ome.tif"),
    open=open_tiff,
    datasets=list_tiff,
    magic=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
)
