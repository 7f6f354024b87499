"""MRC, REC, MAP: density maps and tomograms of electron microscopy (MRC2014)."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_densify.core.errors import InputError
from napari_densify.io._address import Address
from napari_densify.io._flat import FlatArray
from napari_densify.io._guard import guarded, optional_import_error
from napari_densify.io._source import Reader, Source
from napari_densify.io._units import StatedSpacing, to_nm

__all__ = ["READER"]

_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_HEADER_BYTES = 1024
_IMOD_STAMP = 1146047817
_IMOD_AT = 152


def open_mrc(address: Address, level: int) -> Source:
    """Open an MRC file; its voxels are read from where they lie."""
    try:
        import mrcfile
    except ImportError:
        raise optional_import_error(address.path, "mrcfile", "mrc") from None
    with (
        guarded(address.path, "cannot be read as MRC"),
        mrcfile.open(address.file, header_only=True) as file,
    ):
        header, voxel = file.header, file.voxel_size
        shape = tuple(int(header[n]) for n in ("nz", "ny", "nx"))
        extended = int(header.nsymbt)
        dtype = _dtype(header)
        spacing = _spacing(voxel)
    if min(shape) < 1 or extended < 0:
        raise InputError(f"its header promises the impossible shape {shape}", where=address.path)
    data = FlatArray(address.file, _HEADER_BYTES + extended, shape, dtype)
    return Source(data=data, axes="ZYX", format="MRC", spacing=spacing, chunks=(1, *shape[1:]))


def _dtype(header: Any) -> np.dtype[Any]:
    mode = int(header.mode)
    if mode not in _DTYPES:
        raise InputError(f"MRC mode {mode} cannot be used", mend="save it as bytes or floats")
    dtype = np.dtype(_DTYPES[mode])
    if mode == 0 and _unsigned_bytes(header):
        dtype = np.dtype("u1")
    return dtype.newbyteorder(header.nx.dtype.byteorder)


def _unsigned_bytes(header: Any) -> bool:
    """Whether bytes are unsigned, as IMOD has them; its stamp says so, or the largest value."""
    stamp, flags = np.frombuffer(header.tobytes(), header.nx.dtype, 2, _IMOD_AT)
    if stamp == _IMOD_STAMP:
        return not flags & 1
    return bool(header.dmax > 127)


def _spacing(voxel: Any) -> StatedSpacing:
    """Voxel size in nm; exactly one angstrom each way is what programs write for unknown."""
    sizes = [float(voxel[a]) for a in "zyx"]
    if sizes == [1.0, 1.0, 1.0]:
        return None, None, None
    z, y, x = (to_nm(s, "angstrom") for s in sizes)
    return z, y, x


READER = Reader(
    name="MRC",
    suffixes=(".mrc", ".mrcs", ".rec", ".map", ".st", ".ali"),
    open=open_mrc,
)
