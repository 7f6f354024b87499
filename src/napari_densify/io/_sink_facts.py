"""What every output is told about its content."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region, region_shape
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Spacing
from napari_densify.io._guard import reason

__all__ = ["SinkFacts", "write_error"]


@dataclass(frozen=True)
class SinkFacts:
    """Shape, type and meaning of an output; see :func:`~napari_densify.io.create_sink`."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    spacing: Spacing
    spacing_known: bool
    classes: ClassTable | None

    def __post_init__(self) -> None:
        if len(self.shape) not in (3, 4) or min(self.shape) < 1:
            raise ValueError(f"an output has axes (C,) Z, Y, X, not shape {self.shape}")

    @property
    def channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return self.shape[0] if len(self.shape) == 4 else 1

    def block(self, region: Region, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Check a block and return it as ``(C, z, y, x)`` in the stored dtype.

        Raises
        ------
        ValueError
            If it has another shape than its region, or would not fit the dtype.
        """
        expected = (self.channels, *region_shape(region))
        values = np.asarray(array)
        if values.shape not in (expected, expected[1:] if self.channels == 1 else expected):
            raise ValueError(f"block of shape {values.shape} for a region of shape {expected}")
        stored = values.astype(self.dtype, copy=False)
        if self.dtype.kind in "ui" and not np.array_equal(stored, values):
            raise ValueError(f"values of {values.dtype} do not fit {self.dtype}")
        return stored.reshape(expected)


def write_error(path: Path, error: OSError | RuntimeError) -> InputError:
    """One line for an output that could not be written."""
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    mend = "free some room, or write elsewhere" if full else "write elsewhere"
    return InputError(f"cannot be written ({reason(error)})", where=str(path), mend=mend)
