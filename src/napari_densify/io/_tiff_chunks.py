"""Compressed or scattered TIFF data, decoded when they are looked at."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from tifffile import CHUNKMODE, TiffFile, TiffPageSeries

from napari_densify.core.errors import InputError
from napari_densify.io._tiff_parse import COPY_AGAIN, parse_tiff

__all__ = ["ChunkedTiff"]

_LARGEST_KEPT = 32 * 2**20
_KEPT_BYTES = 256 * 2**20


class ChunkedTiff:
    """Tiles, strips or pages of a TIFF, decoded when they are asked for.

    Tiles are decoded one by one. Strips mostly span the width, so that every block of
    a plane needs nearly all of it: there whole planes are decoded, and the last
    256 MiB of them kept.

    The file is opened again for each piece, so that it can be replaced meanwhile.
    A copy in another process parses it anew.

    Parameters
    ----------
    path
        TIFF file.
    series, level
        Which image of it.
    tif
        The parsed file, if it is at hand; it is closed here.

    Raises
    ------
    InputError
        If the file promises more pieces than it lists.
    """

    def __init__(self, path: str, series: int, level: int, tif: TiffFile | None = None) -> None:
        self._arguments = (path, series, level)
        tif = tif or parse_tiff(path)
        self._lock = threading.Lock()
        self._file = tif.filehandle
        self._series: TiffPageSeries = tif.series[series].levels[level]
        self._stamp = _stamp(path)
        page = self._series.keyframe
        if len(page.dataoffsets) < prod(page.chunked):
            raise InputError("some of its pieces are missing", where=path, mend=COPY_AGAIN)
        self.shape: tuple[int, ...] = tuple(self._series.shape)
        self.dtype: np.dtype[Any] = np.dtype(self._series.dtype)
        plane = prod(self.shape[-2:]) * self.dtype.itemsize
        self._by_plane = not page.is_tiled and len(self.shape) == 3 and plane <= _LARGEST_KEPT
        self._most_planes = max(1, _KEPT_BYTES // plane)
        self._planes: OrderedDict[int, npt.NDArray[Any]] = OrderedDict()
        mode = CHUNKMODE.PAGE if self._by_plane else CHUNKMODE.STRILE
        store = tif.series[series].aszarr(level=level, chunkmode=mode)
        self._array = zarr.open_array(store, mode="r")
        self.chunks: tuple[int, ...] = tuple(self._array.chunks)
        self._close()

    def __reduce__(self) -> tuple[Any, ...]:
        return ChunkedTiff, self._arguments

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Read a box given by one slice (step 1) an axis.

        Raises
        ------
        InputError
            If the file was changed since it was opened, or ends before the voxels.
        """
        path = self._arguments[0]
        with self._lock:
            self._file.open()
            try:
                if _stamp(path) != self._stamp:
                    what = "the file was changed since it was opened"
                    raise InputError(what, where=path, mend="open it again")
                if not self._by_plane:
                    self._require_complete(key)
                    return np.asarray(self._array[key])
                return np.stack([self._plane(z)[key[1:]] for z in range(key[0].start, key[0].stop)])
            finally:
                self._close()

    def _close(self) -> None:
        """Close the file, and the others that an OME-TIFF may be spread over."""
        self._file.close()
        if self._series.is_multifile:
            for page in self._series.pages:
                if page is not None:
                    page.parent.filehandle.close()

    def _plane(self, z: int) -> npt.NDArray[Any]:
        if z not in self._planes:
            self._require_complete((slice(z, z + 1),))
            self._planes[z] = np.asarray(self._array[z])
            if len(self._planes) > self._most_planes:
                self._planes.popitem(last=False)
        self._planes.move_to_end(z)
        return self._planes[z]

    def _require_complete(self, key: tuple[slice, ...]) -> None:
        """Refuse pages whose data lie beyond the end: some codecs decode anything."""
        pages = self._series.pages
        lead = self.shape[:-2]
        per_index = prod(lead[1:])
        numbers = range(1)
        if len(lead) > 0 and len(pages) == prod(lead):
            numbers = range(key[0].start * per_index, key[0].stop * per_index)
        for page in filter(None, (pages[i] for i in numbers)):
            ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
            if ends and max(ends) > page.parent.filehandle.size:
                raise InputError(
                    "the file is cut off: a page lies beyond its end",
                    where=self._arguments[0],
                    mend=COPY_AGAIN,
                )


def _stamp(path: str) -> tuple[int, int]:
    """Size and time of the last change."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
