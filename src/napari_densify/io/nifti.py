"""NIfTI-1 and -2, plain or gzipped, in stored voxel order (the orientation is not applied)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.core.volume import ArrayLike
from napari_densify.io._address import Address
from napari_densify.io._flat import FlatArray
from napari_densify.io._guard import guarded, optional_import_error
from napari_densify.io._loaded import LoadedArray
from napari_densify.io._source import Reader, Source
from napari_densify.io._units import StatedSpacing, to_nm

__all__ = ["READER"]


def _nibabel(where: str) -> ModuleType:
    try:
        import nibabel
    except ImportError:
        raise optional_import_error(where, "nibabel", "nifti") from None
    module: ModuleType = nibabel
    return module


class _Scaled:
    """Stored integers times slope plus intercept, as float32."""

    def __init__(self, raw: ArrayLike, slope: float, intercept: float) -> None:
        self._raw, self._slope, self._intercept = raw, slope, intercept
        self.shape, self.dtype = raw.shape, np.dtype(np.float32)

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[np.float32]:
        values = np.asarray(self._raw[key], np.float64) * self._slope + self._intercept
        return values.astype(np.float32)


def open_nifti(address: Address, level: int) -> Source:
    """Open a NIfTI file; a gzipped one is unpacked as a whole at the first look."""
    nibabel = _nibabel(address.path)
    with guarded(address.path, "cannot be read as NIfTI"):
        image = nibabel.load(address.file)
        if not hasattr(image.header, "get_xyzt_units"):
            raise InputError("is not NIfTI")
        proxy, header = image.dataobj, image.header
        slope, intercept = header.get_slope_inter()
        shape = tuple(int(n) for n in proxy.shape)[::-1]
        dtype = header.get_data_dtype()
        raw: ArrayLike
        if address.path.lower().endswith(".gz"):
            raw = LoadedArray(address.file, partial(_unpack, address.file), shape, dtype)
        else:
            raw = FlatArray(address.file, int(proxy.offset), shape, dtype)
        plain = slope in (None, 1.0) and intercept in (None, 0.0)
        data = raw if plain else _Scaled(raw, float(slope), float(intercept or 0.0))
        return Source(
            data=data,
            axes="CTZYX"[-len(shape) :],
            format="NIfTI",
            spacing=_spacing(header),
        )


def _unpack(path: Path) -> npt.NDArray[Any]:
    """Unscaled voxels, axes reversed to C order."""
    return np.asarray(_nibabel(str(path)).load(path).dataobj.get_unscaled()).T


def _spacing(header: Any) -> StatedSpacing:
    unit = header.get_xyzt_units()[0]
    x, y, z = ([to_nm(float(s), unit) for s in header.get_zooms()[:3]] + [None] * 3)[:3]
    return z, y, x


READER = Reader(name="NIfTI", suffixes=(".nii", ".nii.gz"), open=open_nifti)
