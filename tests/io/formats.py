"""Every format that can be read, as one table for the tests that all readers must pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import zarr
from PIL import Image

Array = npt.NDArray[Any]
SPACING = (40.0, 8.0, 5.0)


@dataclass(frozen=True)
class Format:
    """How to write a stack, and what its reader promises."""

    name: str
    write: Callable[[Path, Array], str]
    spacing: tuple[float, float, float] | None = None
    lazy: bool = True
    dtypes: tuple[str, ...] = ("uint8", "int16", "uint16", "float32")


def _tiff(name: str, **options: Any) -> Callable[[Path, Array], str]:
    def write(folder: Path, stack: Array) -> str:
        path = folder / name
        tifffile.imwrite(path, stack, photometric="minisblack", **options)
        return str(path)

    return write


def _tiff_pages(folder: Path, stack: Array) -> str:
    path = folder / "pages.tif"
    with tifffile.TiffWriter(path) as writer:
        for plane in stack:
            writer.write(plane, metadata=None, contiguous=False)
    return str(path)


def _imagej(folder: Path, stack: Array) -> str:
    z, y, x = SPACING
    path = folder / "imagej.tif"
    metadata = {"spacing": z / 1000, "unit": "um", "axes": "ZYX"}
    tifffile.imwrite(path, stack, imagej=True, resolution=(1000 / x, 1000 / y), metadata=metadata)
    return str(path)


def _ome_tiff(folder: Path, stack: Array) -> str:
    path = folder / "o.ome.tif"
    metadata: dict[str, Any] = {"axes": "ZYX"}
    for axis, size in zip("ZYX", SPACING, strict=True):
        metadata |= {f"PhysicalSize{axis}": size / 1000, f"PhysicalSize{axis}Unit": "µm"}
    tifffile.imwrite(path, stack, metadata=metadata)
    return str(path)


def _tiff_slices(folder: Path, stack: Array) -> str:
    (folder / "slices").mkdir()
    for z, plane in enumerate(stack):
        tifffile.imwrite(folder / "slices" / f"z{z}.tif", plane)
    return str(folder / "slices")


def _tiff_glob(folder: Path, stack: Array) -> str:
    return _tiff_slices(folder, stack) + "/z*.tif"


def _png_slices(folder: Path, stack: Array) -> str:
    (folder / "png").mkdir()
    for z, plane in enumerate(stack):
        Image.fromarray(plane).save(folder / "png" / f"slice {z}.png")
    return str(folder / "png")


def _npy(folder: Path, stack: Array) -> str:
    np.save(folder / "a.npy", stack)
    return str(folder / "a.npy")


def _npy_fortran(folder: Path, stack: Array) -> str:
    np.save(folder / "f.npy", np.asfortranarray(stack))
    return str(folder / "f.npy")


def _npz(folder: Path, stack: Array) -> str:
    np.savez_compressed(folder / "a.npz", image=stack, scale=np.ones(3))
    return str(folder / "a.npz")


def _zarr(version: int) -> Callable[[Path, Array], str]:
    def write(folder: Path, stack: Array) -> str:
        path = folder / f"plain{version}.zarr"
        zarr.create_array(path, data=stack, chunks=(1, 64, 64), zarr_format=version)
        return str(path)

    return write


def _ome_zarr(version: str) -> Callable[[Path, Array], str]:
    def write(folder: Path, stack: Array) -> str:
        path = folder / f"ome{version}.zarr"
        group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
        entry = ome_entry(SPACING, levels=2)
        if version == "0.4":
            group.attrs["multiscales"] = [{"version": "0.4", **entry}]
        else:
            group.attrs["ome"] = {"version": version, "multiscales": [entry]}
        group.create_array("0", data=stack, chunks=(1, 64, 64))
        group.create_array("1", data=stack[::2, ::2, ::2], chunks=(1, 64, 64))
        return str(path)

    return write


def ome_entry(spacing: tuple[float, float, float], *, levels: int) -> dict[str, Any]:
    """Multiscales entry with spacing in nm, stated in micrometres."""
    return {
        "axes": [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"],
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [s / 1000 * 2**level for s in spacing]}
                ],
            }
            for level in range(levels)
        ],
    }


def _hdf5(**options: Any) -> Callable[[Path, Array], str]:
    def write(folder: Path, stack: Array) -> str:
        h5py = pytest.importorskip("h5py")
        with h5py.File(folder / "a.h5", "w") as file:
            data = file.create_dataset("volumes/raw", data=stack, **options)
            data.attrs["element_size_um"] = [s / 1000 for s in SPACING]
            file["scalar"] = 3
        return str(folder / "a.h5")

    return write


def _ilastik_h5(folder: Path, stack: Array) -> str:
    h5py = pytest.importorskip("h5py")
    tags = {"axes": [{"key": k, "resolution": 0.0, "typeFlags": 2} for k in "zyxc"]}
    with h5py.File(folder / "ilastik.h5", "w") as file:
        data = file.create_dataset("exported_data", data=stack[..., None])
        data.attrs["axistags"] = json.dumps(tags)
    return str(folder / "ilastik.h5")


def _mrc(byte_order: str) -> Callable[[Path, Array], str]:
    def write(folder: Path, stack: Array) -> str:
        mrcfile = pytest.importorskip("mrcfile")
        path = folder / "a.rec"
        with mrcfile.new(path) as file:
            file.set_data(stack)
            z, y, x = SPACING
            file.voxel_size = (x * 10, y * 10, z * 10)
            header, data = file.header.copy(), file.data.copy()
        if byte_order == ">":
            header = header.byteswap().view(header.dtype.newbyteorder(">"))
            header.machst = [0x11, 0x11, 0, 0]
            path.write_bytes(header.tobytes() + data.astype(data.dtype.newbyteorder(">")).tobytes())
        return str(path)

    return write


def _nifti(name: str) -> Callable[[Path, Array], str]:
    def write(folder: Path, stack: Array) -> str:
        nibabel = pytest.importorskip("nibabel")
        image = nibabel.Nifti1Image(stack.T, np.diag([*SPACING[::-1], 1000]) / 1000)
        image.header.set_xyzt_units("micron")
        nibabel.save(image, folder / name)
        return str(folder / name)

    return write


def _nrrd(name: str, encoding: str) -> Callable[[Path, Array], str]:
    def write(folder: Path, stack: Array) -> str:
        nrrd = pytest.importorskip("nrrd")
        header = {
            "space directions": np.diag(SPACING[::-1]) / 1e6,
            "space units": ["mm"] * 3,
            "space dimension": 3,
            "encoding": encoding,
        }
        nrrd.write(str(folder / name), stack, header, index_order="C")
        return str(folder / name)

    return write


_NO_INT16 = ("uint8", "uint16", "float32")

FORMATS = (
    Format("tiff", _tiff("plain.tif")),
    Format("tiff-big-endian", _tiff("big.tif", byteorder=">")),
    Format("tiff-bigtiff", _tiff("big.btf", bigtiff=True)),
    Format("tiff-zlib", _tiff("zlib.tif", compression="zlib")),
    Format("tiff-lzw", _tiff("lzw.tif", compression="lzw", rowsperstrip=8)),
    Format("tiff-tiled", _tiff("tiled.tif", tile=(16, 16), compression="zstd")),
    Format("tiff-pages", _tiff_pages),
    Format("tiff-imagej", _imagej, SPACING, dtypes=_NO_INT16),
    Format("tiff-ome", _ome_tiff, SPACING),
    Format("tiff-slices", _tiff_slices),
    Format("tiff-glob", _tiff_glob),
    Format("png-slices", _png_slices, dtypes=("uint8", "uint16")),
    Format("npy", _npy),
    Format("npy-fortran", _npy_fortran, lazy=False),
    Format("npz", _npz, lazy=False),
    Format("zarr-2", _zarr(2)),
    Format("zarr-3", _zarr(3)),
    Format("ome-zarr-0.4", _ome_zarr("0.4"), SPACING),
    Format("ome-zarr-0.5", _ome_zarr("0.5"), SPACING),
    Format("hdf5", _hdf5(), SPACING),
    Format("hdf5-chunked", _hdf5(chunks=(2, 16, 16), compression="gzip"), SPACING),
    Format("ilastik-h5", _ilastik_h5),
    Format("mrc", _mrc("<"), SPACING, dtypes=("int8", "int16", "uint16", "float32")),
    Format("mrc-big-endian", _mrc(">"), SPACING, dtypes=("int16", "uint16", "float32")),
    Format("nifti", _nifti("a.nii"), SPACING),
    Format("nifti-gz", _nifti("a.nii.gz"), SPACING, lazy=False),
    Format("nrrd", _nrrd("a.nrrd", "raw"), SPACING),
    Format("nrrd-gz", _nrrd("a.nrrd", "gzip"), SPACING, lazy=False),
    Format("nhdr", _nrrd("a.nhdr", "raw"), SPACING),
)
