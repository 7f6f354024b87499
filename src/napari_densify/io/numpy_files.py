"""NumPy: .npy read a piece at a time, .npz by array name; never unpickled."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from napari_densify.core.errors import InputError
from napari_densify.io._address import Address
from napari_densify.io._flat import FlatArray
from napari_densify.io._guard import guarded
from napari_densify.io._lazy import guess_axes
from napari_densify.io._loaded import LoadedArray
from napari_densify.io._source import DatasetInfo, Reader, Source, pick_dataset

__all__ = ["NPY_READER", "NPZ_READER"]

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


def _header(stream: Any) -> Header:
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise InputError("holds Python objects, which are not read (they could run code)")
    if any(n < 0 for n in shape):
        raise InputError(f"has the impossible shape {shape}")
    return shape, fortran, dtype


def open_npy(address: Address, level: int) -> Source:
    """Open an .npy file."""
    with guarded(address.path, "cannot be read as NumPy array"), address.file.open("rb") as stream:
        shape, fortran, dtype = _header(stream)
        offset = stream.tell()
    axes = guess_axes(shape)
    if len(shape) < 2:
        raise InputError(f"array has {len(shape)} axes", where=address.path)
    stored = shape[::-1] if fortran else shape
    data = FlatArray(address.file, offset, stored, dtype)
    return Source(data=data, axes=axes[::-1] if fortran else axes, format="NumPy")


def _load_member(path: Path, member: str) -> npt.NDArray[Any]:
    with np.load(path, allow_pickle=False) as archive:
        array: npt.NDArray[Any] = archive[member]
        return array


def _members(address: Address) -> dict[str, Header]:
    found: dict[str, Header] = {}
    with (
        guarded(address.path, "cannot be read as NumPy archive"),
        zipfile.ZipFile(address.path) as archive,
    ):
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as stream:
                    found[name[:-4]] = _header(stream)
    if not found:
        raise InputError("holds no array", where=address.path)
    return found


def open_npz(address: Address, level: int) -> Source:
    """Open one array of an .npz archive: the one named, or the only one."""
    members = _members(address)
    name = pick_dataset(
        address, {k: (shape, str(dtype)) for k, (shape, _, dtype) in members.items()}
    )
    shape, _, dtype = members[name]
    data = LoadedArray(address.file, partial(_load_member, address.file, name), shape, dtype)
    return Source(data=data, axes=guess_axes(data.shape), format="NumPy archive")


def list_npz(address: Address) -> tuple[DatasetInfo, ...]:
    """List the arrays of an .npz archive."""
    return tuple(
        DatasetInfo(name, shape, str(dtype))
        for name, (shape, _, dtype) in _members(address).items()
    )


NPY_READER = Reader("NumPy", (".npy",), open_npy, magic=(b"\x93NUMPY",))
NPZ_READER = Reader("NumPy archive", (".npz",), open_npz, list_npz)
