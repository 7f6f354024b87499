"""TIFF: plain, multi-page, BigTIFF, compressed, tiled, ImageJ and OME."""

from __future__ import annotations

from contextlib import closing

import numpy as np
from tifffile import TiffFile, TiffPageSeries

from napari_densify.core.errors import InputError
from napari_densify.core.volume import ArrayLike
from napari_densify.io._address import Address
from napari_densify.io._flat import FlatArray
from napari_densify.io._source import DatasetInfo, Reader, Source
from napari_densify.io._tiff_chunks import ChunkedTiff
from napari_densify.io._tiff_metadata import read_tag, stated_spacing
from napari_densify.io._tiff_parse import parse_tiff

__all__ = ["READER"]


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
    with closing(parse_tiff(address.path)) as tif:
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
    chunked = ChunkedTiff(address.path, index, level, tif)
    return chunked, chunked.chunks


def list_tiff(address: Address) -> tuple[DatasetInfo, ...]:
    """List the image series of a TIFF file."""
    with closing(parse_tiff(address.path)) as tif:
        several = len(tif.series) > 1
        return tuple(
            DatasetInfo(str(i) if several else "", tuple(s.shape), str(s.dtype))
            for i, s in enumerate(tif.series)
        )


READER = Reader(
    name="TIFF",
    suffixes=(".tif", ".tiff", ".btf", ".tf8", ".ome.tif"),
    open=open_tiff,
    datasets=list_tiff,
    magic=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
)
