"""HDF5, ilastik's .h5 and .ilp, Imaris: any array by its path inside the file."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from napari_densify.core.labels import ClassTable
from napari_densify.io._address import Address
from napari_densify.io._guard import guarded, optional_import_error
from napari_densify.io._hdf5_heap import require_sound_heaps
from napari_densify.io._lazy import guess_axes
from napari_densify.io._source import DatasetInfo, Reader, Source, pick_dataset
from napari_densify.io._units import StatedSpacing, to_nm

__all__ = ["READER", "load_h5py", "stated_axes"]

_MOST_DATASETS = 1000


def load_h5py(where: str) -> ModuleType:
    """Import h5py, or say how to install it.

    Raises
    ------
    InputError
        If it is missing.
    """
    try:
        import h5py
    except ImportError:
        raise optional_import_error(where, "h5py", "hdf5") from None
    module: ModuleType = h5py
    return module


class _Dataset:
    """An HDF5 data set; the file is open only while a piece is read, so as not to lock it."""

    def __init__(self, path: str, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._path, self._name = path, name
        self.shape, self.dtype = shape, dtype

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        with load_h5py(self._path).File(self._path, "r") as file:
            return np.asarray(file[self._name][key])


def open_hdf5(address: Address, level: int) -> Source:
    """Open one array of an HDF5 file."""
    name = pick_dataset(address, {d.name: (d.shape, d.dtype) for d in list_hdf5(address)})
    with (
        guarded(address.text, "cannot be read as HDF5"),
        load_h5py(address.path).File(address.path, "r") as file,
    ):
        dataset = file[name]
        shape, attributes = tuple(dataset.shape), dict(dataset.attrs)
        axes = stated_axes(attributes.get("axistags"), len(shape)) or guess_axes(shape)
        return Source(
            data=_Dataset(address.path, name, shape, dataset.dtype),
            axes=axes,
            format="HDF5",
            spacing=_spacing(attributes),
            classes=_classes(attributes.get("densify_classes")),
            chunks=dataset.chunks,
        )


def stated_axes(text: Any, n: int) -> str:
    """Axes as ilastik (vigra) states them; empty if it doesn't."""
    try:
        keys = [str(axis["key"]) for axis in json.loads(text)["axes"]]
    except (TypeError, ValueError, KeyError):
        return ""
    return "".join(keys).upper() if len(keys) == n and all(len(k) == 1 for k in keys) else ""


def _classes(text: Any) -> ClassTable | None:
    try:
        return None if text is None else ClassTable.model_validate_json(text)
    except ValidationError:
        return None


def _spacing(attributes: dict[str, Any]) -> StatedSpacing:
    """Voxel size from the attributes of PlantSeg and Fiji (um), or CREMI (nm)."""
    for name, unit in (("element_size_um", "um"), ("resolution", "nm")):
        sizes = np.ravel(attributes.get(name, ()))
        if len(sizes) == 3 and sizes.dtype.kind in "iuf":
            z, y, x = (to_nm(float(s), unit) for s in sizes)
            return z, y, x
    return None, None, None


def list_hdf5(address: Address) -> tuple[DatasetInfo, ...]:
    """List the arrays of numbers with at least two axes."""
    h5py = load_h5py(address.path)
    found: list[DatasetInfo] = []

    def visit(name: str, node: Any) -> bool | None:
        if (
            isinstance(node, h5py.Dataset)
            and len(node.shape or ()) > 1
            and node.dtype.kind in "biuf"
        ):
            found.append(DatasetInfo(name, tuple(node.shape), str(node.dtype)))
        return True if len(found) >= _MOST_DATASETS else None

    with guarded(address.path, "cannot be read as HDF5"):
        require_sound_heaps(address.file)
        with h5py.File(address.file, "r") as file:
            file.visititems(visit)
    return tuple(found)


READER = Reader(
    name="HDF5",
    suffixes=(".h5", ".hdf5", ".hdf", ".ilp", ".ims"),
    open=open_hdf5,
    datasets=list_hdf5,
    magic=(b"\x89HDF\r\n\x1a\n",),
)
