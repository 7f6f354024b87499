"""Headers of formats with raw voxels: NumPy, HDF5, MRC, NIfTI, NRRD."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from napari_densify.core.errors import InputError
from napari_densify.io._guard import optional_import_error
from napari_densify.io._raw_sink import HeaderWriter, Layout
from napari_densify.io._sink_facts import SinkFacts
from napari_densify.io.hdf5 import load_h5py

__all__ = ["RAW_HEADERS"]

_MRC_DTYPES = {
    "int8": "int8", "uint8": "uint16", "int16": "int16", "uint16": "uint16",
    "float16": "float16", "float32": "float32",
}  # fmt: skip
_NRRD_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
_NIFTI1_LONGEST = 32767
_HDF5_NAME = b"exported_data"


def _npy(path: Path, facts: SinkFacts) -> Layout:
    with path.open("wb") as file:
        descr = npy.dtype_to_descr(facts.dtype)
        header = {"descr": descr, "fortran_order": False, "shape": facts.shape}
        npy.write_array_header_2_0(file, header)
        return Layout(file.tell(), facts.dtype)


def _refuse(path: str, facts: SinkFacts) -> InputError:
    many = f"{facts.channels} channels of " if facts.channels > 1 else ""
    return InputError(
        f"this format cannot hold {many}{facts.dtype}", where=path, mend="write .tif or .zarr"
    )


def _mrc(path: Path, facts: SinkFacts) -> Layout:
    """Bytes are stored as uint16: programs disagree on whether MRC's bytes have a sign."""
    try:
        import mrcfile
    except ImportError:
        raise optional_import_error(path.suffix, "mrcfile", "mrc") from None
    if facts.channels > 1 or facts.dtype.name not in _MRC_DTYPES:
        raise _refuse("MRC", facts)
    dtype = np.dtype(_MRC_DTYPES[facts.dtype.name]).newbyteorder("<")
    mode = mrcfile.utils.mode_from_dtype(dtype)
    with mrcfile.new_mmap(path, facts.shape, mrc_mode=mode, overwrite=True) as file:
        file.set_volume()
        if facts.spacing_known:
            z, y, x = (10 * s for s in facts.spacing)
            file.voxel_size = (x, y, z)
    return Layout(1024, dtype)


def _hdf5(path: Path, facts: SinkFacts) -> Layout:
    """One contiguous data set, as ilastik names it, with axis tags and the class table.

    HDF5 only reserves the place: it crashes (2.0) when the disk fills under it.
    """
    h5py = load_h5py(path.suffix)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(path, "w") as file:
        data = h5py.Dataset(
            h5py.h5d.create(
                file.id,
                _HDF5_NAME,
                h5py.h5t.py_create(facts.dtype, logical=True),
                h5py.h5s.create_simple(facts.shape),
                creation,
            )
        )
        data.attrs.update(_hdf5_attributes(facts))
        return Layout(int(data.id.get_offset()), facts.dtype)


def _hdf5_attributes(facts: SinkFacts) -> dict[str, Any]:
    kinds = {"c": 1, "z": 2, "y": 2, "x": 2}
    keys = "czyx"[-len(facts.shape) :]
    tags = {"axes": [{"key": k, "typeFlags": kinds[k], "resolution": 0.0} for k in keys]}
    found: dict[str, Any] = {"axistags": json.dumps(tags)}
    if facts.spacing_known:
        found["element_size_um"] = [s / 1000 for s in facts.spacing]
    if facts.classes is not None:
        found["densify_classes"] = facts.classes.model_dump_json()
    return found


def _nifti(path: Path, facts: SinkFacts) -> Layout:
    try:
        import nibabel
    except ImportError:
        raise optional_import_error(path.suffix, "nibabel", "nifti") from None
    if facts.dtype == np.float16:
        raise _refuse("NIfTI", facts)
    long = max(facts.shape) > _NIFTI1_LONGEST
    header: Any = (nibabel.Nifti2Header if long else nibabel.Nifti1Header)(endianness="<")
    z, y, x = facts.shape[-3:]
    header.set_data_shape((x, y, z, 1, facts.channels) if facts.channels > 1 else (x, y, z))
    header.set_data_dtype(facts.dtype)
    sizes = [s / 1000 for s in facts.spacing[::-1]] if facts.spacing_known else [1.0] * 3
    header.set_zooms([*sizes, *[1.0] * (len(header.get_data_shape()) - 3)])
    header.set_xyzt_units("micron" if facts.spacing_known else "unknown")
    header.set_sform(np.diag([*sizes, 1.0]), code="scanner")
    offset = header.single_vox_offset
    header["vox_offset"] = offset
    with path.open("wb") as file:
        header.write_to(file)
    return Layout(int(offset), facts.dtype.newbyteorder("<"))


def _nrrd(path: Path, facts: SinkFacts) -> Layout:
    """Text header (http://teem.sourceforge.net/nrrd/format.html); sizes in mm."""
    names = {"float32": "float", "float64": "double"} | {n: n for n in _NRRD_TYPES}
    if facts.dtype.name not in names:
        raise _refuse("NRRD", facts)
    lines = [
        "NRRD0004",
        f"type: {names[facts.dtype.name]}",
        f"dimension: {len(facts.shape)}",
        f"sizes: {' '.join(str(n) for n in facts.shape[::-1])}",
        "endian: little",
        "encoding: raw",
        f"kinds: domain domain domain{' list' if facts.channels > 1 else ''}",
    ]
    if facts.spacing_known:
        x, y, z = (s / 1e6 for s in facts.spacing[::-1])
        none = " none" if facts.channels > 1 else ""
        lines += [
            "space dimension: 3",
            f"space directions: ({x!r},0,0) (0,{y!r},0) (0,0,{z!r}){none}",
            'space units: "mm" "mm" "mm"',
        ]
    header = ("\n".join(lines) + "\n\n").encode()
    path.write_bytes(header)
    return Layout(len(header), facts.dtype.newbyteorder("<"))


RAW_HEADERS: dict[str, HeaderWriter] = {
    ".npy": _npy,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".mrc": _mrc,
    ".rec": _mrc,
    ".nii": _nifti,
    ".nrrd": _nrrd,
}
"""Header writer for each file name ending."""
