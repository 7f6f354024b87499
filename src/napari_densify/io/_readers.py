"""All formats, and which one an address is."""

from __future__ import annotations

from pathlib import Path

from napari_densify.core.errors import InputError
from napari_densify.io import hdf5, images, mrc, nifti, nrrd_files, numpy_files, tiff, zarr_files
from napari_densify.io._address import Address, parse_address
from napari_densify.io._guard import guarded
from napari_densify.io._source import DatasetInfo, Reader, Source
from napari_densify.io.pairs import Pair, find_pair, labels_beside
from napari_densify.io.series import open_series, slice_files

__all__ = [
    "SUFFIXES",
    "can_open",
    "find_labels",
    "find_reader",
    "list_sources",
    "open_source",
    "pair_in",
]

_READERS: tuple[Reader, ...] = (
    tiff.READER,
    images.READER,
    numpy_files.NPY_READER,
    numpy_files.NPZ_READER,
    zarr_files.READER,
    hdf5.READER,
    mrc.READER,
    nifti.READER,
    nrrd_files.READER,
)

SUFFIXES = tuple(s for reader in _READERS for s in reader.suffixes)
"""File name endings that can be opened."""

_SLICES = (*tiff.READER.suffixes, *images.READER.suffixes)
_HEAD = 512


def find_reader(address: Address) -> Reader:
    """Choose the format by file name, else by the first bytes.

    Raises
    ------
    InputError
        If neither says anything.
    """
    name = address.path.rstrip("/").lower()
    named = next((r for r in _READERS if name.endswith(r.suffixes)), None)
    if address.is_url and named not in (None, zarr_files.READER):
        raise InputError(
            "only Zarr is read from a remote address",
            where=address.path,
            mend="copy the file here, or convert it to OME-Zarr",
        )
    if named is not None:
        return named
    if address.is_url or address.file.is_dir():
        return zarr_files.READER
    with guarded(address.path), address.file.open("rb") as stream:
        head = stream.read(_HEAD)
    for reader in _READERS:
        if any(head.startswith(m) for m in reader.magic):
            return reader
    raise InputError(
        "this kind of file is not known",
        where=address.path,
        mend=f"one of: {', '.join(SUFFIXES)}, or a folder of slices",
    )


def can_open(path: str) -> bool:
    """Whether an address looks like one that can be opened, without opening it."""
    try:
        address = _resolved(parse_address(path))
        if _is_series(address):
            return bool(slice_files(address, _SLICES))
        find_reader(address)
    except InputError:
        return False
    return True


def pair_in(path: str) -> Pair | None:
    """Image and labels, where a local folder holds one image with its labels."""
    address = Address(path)
    folder = not address.is_url and address.file.is_dir() and not _is_store(address.file)
    return find_pair(address.file, SUFFIXES) if folder else None


def find_labels(address: str) -> str:
    """Address of labels that lie beside a local image; empty if there are none."""
    return labels_beside(address, SUFFIXES)


def _resolved(address: Address) -> Address:
    """Take the image of a folder that holds an image and its labels."""
    pair = pair_in(address.path)
    return Address(pair.image) if pair else address


def open_source(address: Address, level: int) -> Source:
    """Open an address with the reader for its format."""
    address = _resolved(address)
    if _is_series(address):
        files = slice_files(address, _SLICES)
        source = open_series(address, files, find_reader(Address(str(files[0]))).open)
    else:
        source = find_reader(address).open(address, level)
    if level and not source.levels:
        raise InputError(
            f"there is no pyramid level {level}", where=address.text, mend="the image has one level"
        )
    return source


def list_sources(address: Address) -> tuple[DatasetInfo, ...]:
    """List the arrays at an address."""
    address = _resolved(address)
    listed = None if _is_series(address) else find_reader(address).datasets
    if listed is not None:
        return listed(address)
    data = open_source(address, 0).data
    return (DatasetInfo("", tuple(data.shape), str(data.dtype)),)


def _is_series(address: Address) -> bool:
    if address.is_url:
        return False
    return address.is_glob or (address.file.is_dir() and not _is_store(address.file))


def _is_store(folder: Path) -> bool:
    markers = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
    return folder.suffix.lower() == ".zarr" or any((folder / m).exists() for m in markers)
