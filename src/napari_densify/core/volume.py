"""A volume: a lazily read array with a voxel size."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region, full_region
from napari_densify.core.errors import InputError

__all__ = ["AXES", "ArrayLike", "Spacing", "Volume"]

AXES = ("z", "y", "x")
"""Names of the axes of a volume."""

Spacing = tuple[float, float, float]
"""Voxel size along Z, Y, X in nanometres."""


class ArrayLike(Protocol):
    """What a volume is read from: numpy, zarr, h5py, memory maps, dask."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a voxel."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """Read a part."""
        ...


@dataclass(frozen=True)
class Volume:
    """A 3D image or label array, with channels where it has several.

    Attributes
    ----------
    data
        ``(Z, Y, X)`` or ``(C, Z, Y, X)``; only what is looked at is read. A 2D
        image is a volume with one slice.
    spacing
        Voxel size (Z, Y, X) in nm; 1, 1, 1 if the source states none.
    spacing_known
        False if ``spacing`` was assumed: then the user is told and asked.
    name
        Short name for tables and layers.
    source
        Path or ``FILE::dataset`` it was opened from; empty for arrays in memory.
    chunks
        Chunk shape of the source along Z, Y, X, if it has one.
    """

    data: ArrayLike
    spacing: Spacing = (1.0, 1.0, 1.0)
    spacing_known: bool = False
    name: str = "volume"
    source: str = ""
    chunks: tuple[int, int, int] | None = None
    metadata: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if len(self.data.shape) not in (3, 4):
            raise InputError(
                f"array has {len(self.data.shape)} axes {tuple(self.data.shape)}",
                where=self.source or self.name,
                mend="give a volume with axes Z, Y, X or C, Z, Y, X",
            )
        if 0 in self.data.shape:
            raise InputError(
                f"array is empty, its shape is {tuple(self.data.shape)}",
                where=self.source or self.name,
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along Z, Y, X."""
        z, y, x = (int(n) for n in self.data.shape[-3:])
        return z, y, x

    @property
    def channels(self) -> int:
        """Number of channels (1 for a plain volume)."""
        return int(self.data.shape[0]) if len(self.data.shape) == 4 else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the stored voxels."""
        return self.data.dtype

    def read(self, region: Region | None = None) -> npt.NDArray[Any]:
        """Read a region as ``(C, Z, Y, X)`` in the stored dtype.

        Raises
        ------
        InputError
            If the source cannot be read (any more), or turns out to be damaged there.
        """
        box = region or full_region(self.shape)
        if len(self.data.shape) == 4:
            return np.asarray(self.data[(slice(None), *box)])
        return np.asarray(self.data[box])[None]

    def read_labels(self, region: Region | None = None) -> npt.NDArray[Any]:
        """Read a region of a label volume as ``(Z, Y, X)``."""
        if self.channels != 1:
            raise InputError("label volume has several channels", where=self.source or self.name)
        labels: npt.NDArray[Any] = self.read(region)[0]
        return labels

    def with_spacing(self, spacing: Spacing) -> Volume:
        """Return the same volume with a voxel size that the user stated."""
        return replace(self, spacing=spacing, spacing_known=True)
