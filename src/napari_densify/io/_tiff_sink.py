"""TIFF output: voxels go to their place in a temporary file that is renamed at the end."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_densify.core.blocks import Region
from napari_densify.core.files import replace, require_room
from napari_densify.core.labels import ClassTable
from napari_densify.io._sink_facts import SinkFacts, write_error
from napari_densify.io._tiff_metadata import DENSIFY_TAG, DensifyTag, tag_json

__all__ = ["TiffSink"]

_IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
_NOT_OME_DTYPES = ("int64", "uint64", "float16")
_CLASSIC_BYTES = 4 * 2**30 - 2**25
_SLAB_BYTES = 32 * 2**20


class TiffSink:
    """Uncompressed TIFF, written block by block in any order.

    ImageJ's flavour where its types and the 4 GiB of classic TIFF allow, OME-TIFF
    (BigTIFF) otherwise; the class table and the exact spacing go into a private tag.
    Blocks are written with file calls: a full disk then raises, where writing
    through a memory map would kill the process.
    """

    def __init__(self, path: Path, facts: SinkFacts) -> None:
        self.path, self._facts = path, facts
        self.shape, self.dtype = facts.shape, facts.dtype
        z, y, x = facts.shape[-3:]
        plane = facts.channels * y * x * self.dtype.itemsize
        self.chunks = (max(1, min(z, _SLAB_BYTES // plane)), y, x)
        self._lock = threading.Lock()
        require_room(path.parent, prod(facts.shape) * self.dtype.itemsize, what=str(path))
        try:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
            os.close(handle)
            self._temporary = Path(name)
            self._offset = self._create()
            self._file = self._temporary.open("r+b")
        except OSError as error:
            raise write_error(path, error) from error

    def _create(self) -> int:
        """Write the headers; the file system leaves the voxels as a hole of zeros."""
        z, y, x = self.shape[-3:]
        channels = self._facts.channels
        small = prod(self.shape) * self.dtype.itemsize < _CLASSIC_BYTES
        imagej = small and self.dtype.name in _IMAGEJ_DTYPES
        options = _imagej_options(self._facts) if imagej else _ome_options(self._facts)
        offset, _ = tifffile.imwrite(
            self._temporary,
            data=None,
            shape=(z, channels, y, x) if channels > 1 else (z, y, x),
            dtype=self.dtype,
            photometric="minisblack",
            returnoffset=True,
            extratags=[(DENSIFY_TAG, "s", 0, tag_json(_tag(self._facts)), True)],
            software="Densify",
            **options,
        )
        return int(offset)

    def write(self, region: Region, array: npt.NDArray[Any]) -> None:
        """Write a block at its place."""
        block = self._facts.block(region, array)
        (zs, ys, xs), (height, width) = region, self.shape[-2:]
        channels = self._facts.channels
        full = xs.stop - xs.start == width
        try:
            with self._lock:
                for c, z in product(range(channels), range(block.shape[1])):
                    plane = np.ascontiguousarray(block[c, z])
                    start = ((zs.start + z) * channels + c) * height + ys.start
                    if full:
                        self._put(start * width, plane)
                    else:
                        for row, line in enumerate(plane):
                            self._put((start + row) * width + xs.start, line)
        except OSError as error:
            raise write_error(self.path, error) from error

    def _put(self, voxel: int, values: npt.NDArray[Any]) -> None:
        self._file.seek(self._offset + voxel * self.dtype.itemsize)
        self._file.write(values.data)

    def done(self, index: Sequence[int]) -> None:
        """Do nothing: a TIFF cannot be resumed."""

    def is_done(self, index: Sequence[int]) -> bool:
        """Return False: a TIFF cannot be resumed."""
        return False

    def close(self) -> Path:
        """Put the file under its final name."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            _usual_permissions(self._temporary)
            replace(self._temporary, self.path)
        except OSError as error:
            self.abort()
            raise write_error(self.path, error) from error
        return self.path

    def abort(self) -> None:
        """Remove what was written; a file that had this name before stays."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def _usual_permissions(path: Path) -> None:
    """Temporary files are private; give the result the user's default mode."""
    if os.name == "posix":
        mask = os.umask(0)
        os.umask(mask)
        path.chmod(0o666 & ~mask)


def _tag(facts: SinkFacts) -> DensifyTag:
    return DensifyTag(
        spacing=facts.spacing, spacing_known=facts.spacing_known, classes=facts.classes
    )


def _imagej_options(facts: SinkFacts) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": "ZCYX" if facts.channels > 1 else "ZYX"}
    options: dict[str, Any] = {"imagej": True, "metadata": metadata}
    if facts.spacing_known:
        z, y, x = facts.spacing
        metadata |= {"spacing": z, "unit": "nm"}
        options["resolution"] = (1 / x, 1 / y)
    if facts.classes is not None:
        metadata["Info"] = _class_lines(facts.classes)
        if facts.dtype == np.uint8 and facts.channels == 1:
            metadata |= {"LUTs": [_colours(facts.classes)], "min": 0.0, "max": 255.0}
    return options


def _class_lines(classes: ClassTable) -> str:
    rows = (f"label {c.value} = {c.name} ({c.color})" for c in classes.classes)
    return "\n".join(rows).encode("ascii", "replace").decode()


def _colours(classes: ClassTable) -> npt.NDArray[np.uint8]:
    """ImageJ look-up table (3, 256): class colours, black elsewhere."""
    table = np.zeros((3, 256), np.uint8)
    for c in classes.classes:
        if c.value < 256:
            table[:, c.value] = list(bytes.fromhex(c.color[1:]))
    return table


def _ome_options(facts: SinkFacts) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": "ZCYX" if facts.channels > 1 else "ZYX"}
    if facts.dtype.name in _NOT_OME_DTYPES:
        return {"bigtiff": True, "metadata": metadata}
    if facts.spacing_known:
        for axis, size in zip("ZYX", facts.spacing, strict=True):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "nm"}
    return {"ome": True, "bigtiff": True, "metadata": metadata}
