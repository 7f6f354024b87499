"""Reading arrays and volumes slice by slice, so that scoring needs memory for one slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.core.volume import ArrayLike, Volume

__all__ = ["Labels", "Slices", "require_same_shape"]

Labels = ArrayLike | Volume
"""A label array: numpy, zarr, memory map, or a volume."""


class Slices:
    """Label planes of an array or a volume, read one at a time.

    Parameters
    ----------
    labels
        ``(Z, Y, X)``, or ``(Y, X)`` for a single slice.
    name
        What the array is, for errors.
    """

    def __init__(self, labels: Labels, name: str) -> None:
        self.name = name
        self._volume = labels if isinstance(labels, Volume) else _as_volume(labels, name)
        self.shape = self._volume.shape
        if self._volume.dtype.kind not in "uib":
            raise InputError(
                f"labels are of type {self._volume.dtype}",
                where=name,
                mend="give integer labels (probabilities are not labels)",
            )

    def __getitem__(self, z: int) -> npt.NDArray[Any]:
        """Read slice ``z`` as ``(Y, X)``; booleans become 0 and 1."""
        _, y, x = self.shape
        plane: npt.NDArray[Any] = self._volume.read_labels(
            (slice(z, z + 1), slice(0, y), slice(0, x))
        )[0]
        return plane.astype(np.uint8) if plane.dtype == bool else plane


def _as_volume(labels: ArrayLike, name: str) -> Volume:
    data = np.asarray(labels)[None] if len(labels.shape) == 2 else labels
    return Volume(data=data, name=name)


def require_same_shape(first: Slices, *others: Slices | None) -> None:
    """Refuse arrays of different shapes.

    Raises
    ------
    InputError
        Naming both arrays and both shapes.
    """
    for other in others:
        if other is not None and other.shape != first.shape:
            raise InputError(
                f"its shape {other.shape} is not that of the {first.name}, {first.shape}",
                where=other.name,
                mend="score arrays of the same volume and resolution",
            )
