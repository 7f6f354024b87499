"""Which painted slices are trained on, and which only scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.core.labels import UNLABELLED
from napari_densify.core.volume import ArrayLike

__all__ = ["SlicesOf", "choose_held_out", "painted_slices"]


@dataclass(frozen=True)
class SlicesOf:
    """Label array in which only some Z slices are kept; the others read as 0.

    Attributes
    ----------
    array
        Labels ``(Z, Y, X)``.
    keep
        Slices that are kept.
    """

    array: ArrayLike
    keep: frozenset[int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a voxel."""
        return self.array.dtype

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Read a part; what is left out is 0."""
        part = np.array(self.array[key])
        first = key[0] if isinstance(key, tuple) else key
        numbers = np.arange(self.shape[0])[first]
        kept = np.isin(numbers, list(self.keep))
        if np.ndim(numbers) == 0:
            return part if kept else np.full_like(part, UNLABELLED)
        part[~kept] = UNLABELLED
        return part


def painted_slices(annotations: ArrayLike) -> tuple[int, ...]:
    """Numbers of the Z slices that hold paint; reads one slice at a time."""
    return tuple(
        z for z in range(annotations.shape[0]) if (np.asarray(annotations[z]) != UNLABELLED).any()
    )


def choose_held_out(painted: Sequence[int]) -> tuple[int, ...]:
    """Choose about a third of the painted slices, inner ones first, to be scored only.

    Parameters
    ----------
    painted
        Painted slices, ascending.

    Raises
    ------
    InputError
        If fewer than two slices are painted: then nothing can be left out.

    Examples
    --------
    >>> choose_held_out([0, 5, 10])
    (5,)
    """
    if len(painted) < 2:
        raise InputError(
            f"{len(painted)} slice(s) are painted, so none can be kept for scoring",
            where="annotations",
            mend="paint a second slice, or give --truth",
        )
    count = max(1, len(painted) // 3)
    picks = np.linspace(0, len(painted) - 1, count + 2)[1:-1].round().astype(int)
    return tuple(int(painted[i]) for i in np.unique(picks))
