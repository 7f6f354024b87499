"""NRRD, with the voxels in the file (.nrrd) or beside it (.nhdr)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.io._address import Address
from napari_densify.io._flat import FlatArray
from napari_densify.io._guard import guarded, optional_import_error
from napari_densify.io._loaded import LoadedArray
from napari_densify.io._source import Reader, Source
from napari_densify.io._units import StatedSpacing, to_nm

__all__ = ["READER"]

_SPACE_KINDS = ("space", "domain", "???", "none", "")
_TIME_KINDS = ("time",)
_DTYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "unsigned char": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "unsigned short": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "unsigned": "u4", "unsigned int": "u4",
    "uint32": "u4", "longlong": "i8", "long long": "i8", "int64": "i8", "ulonglong": "u8",
    "unsigned long long": "u8", "uint64": "u8", "float": "f4", "double": "f8",
}  # fmt: skip


def _nrrd(where: str) -> ModuleType:
    try:
        import nrrd
    except ImportError:
        raise optional_import_error(where, "pynrrd", "nrrd") from None
    module: ModuleType = nrrd
    return module


def open_nrrd(address: Address, level: int) -> Source:
    """Open an NRRD file; a compressed one is unpacked as a whole at the first look."""
    nrrd = _nrrd(address.path)
    with guarded(address.path, "cannot be read as NRRD"):
        with address.file.open("rb") as stream:
            header = nrrd.read_header(stream)
            offset = stream.tell()
        sizes = [int(n) for n in header["sizes"]]
        if min(sizes) < 1:
            raise InputError(f"its header promises the impossible shape {sizes}")
        dtype = _dtype(header)
        shape = tuple(sizes[::-1])
        data: FlatArray | LoadedArray
        path = _data_file(address.file, header)
        skip = int(header.get("byte skip", 0)), int(header.get("line skip", 0))
        if header["encoding"] == "raw" and skip == (0, 0):
            start = offset if path == address.file else 0
            data = FlatArray(path, start, shape, dtype)
        else:
            data = LoadedArray(path, partial(_unpack, address.file), shape, dtype)
        axes = _axes(header, len(sizes))
        return Source(data=data, axes=axes[::-1], format="NRRD", spacing=_spacing(header, axes))


def _unpack(path: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = _nrrd(str(path)).read(str(path), index_order="C")[0]
    return array


def _data_file(path: Path, header: Mapping[str, Any]) -> Path:
    name = header.get("data file") or header.get("datafile")
    if not name:
        return path
    if not isinstance(name, str) or name.startswith("LIST") or "%" in name:
        raise InputError("its voxels are spread over several files", mend="save it as one .nrrd")
    return path.parent / name


def _dtype(header: Mapping[str, Any]) -> np.dtype[Any]:
    """Dtype by the names of http://teem.sourceforge.net/nrrd/format.html#type."""
    name = str(header["type"]).removeprefix("signed ").removesuffix(" int").removesuffix("_t")
    dtype = np.dtype(_DTYPES[name])
    return dtype.newbyteorder(">" if header.get("endian") == "big" else "<")


def _axes(header: Mapping[str, Any], n: int) -> str:
    """One letter an axis, fastest first: spatial ones are X, Y, Z, others C or T."""
    kinds = [str(k).lower() for k in header.get("kinds", [])] or ["domain"] * n
    letters, space = "", iter("XYZ" + "?" * n)
    for kind in kinds[:n]:
        if kind in _SPACE_KINDS:
            letters += next(space)
        else:
            letters += "T" if kind in _TIME_KINDS else "C"
    return letters


def _spacing(header: Mapping[str, Any], axes: str) -> StatedSpacing:
    """Voxel size, where the header gives a unit."""
    directions = header.get("space directions")
    if directions is not None:
        rows = np.asarray(directions, float).reshape(len(axes), -1)
        sizes = np.linalg.norm(rows, axis=1)
    else:
        sizes = np.ravel(np.asarray(header.get("spacings", [np.nan] * len(axes)), float))
    units = header.get("space units") or header.get("units") or []
    unit = str(units[0]).strip('"') if len(units) else None
    found = {a: to_nm(float(s), unit) for a, s in zip(axes, sizes, strict=True)}
    return found.get("Z"), found.get("Y"), found.get("X")


READER = Reader(name="NRRD", suffixes=(".nrrd", ".nhdr"), open=open_nrrd, magic=(b"NRRD000",))
