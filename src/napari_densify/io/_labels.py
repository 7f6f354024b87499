"""Label arrays: whole numbers from 0 up, whatever dtype they were stored in."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.core.volume import ArrayLike

__all__ = ["LabelArray", "as_labels"]


class LabelArray:
    """An array whose pieces are checked and made unsigned as they are read."""

    def __init__(self, data: ArrayLike, *, where: str) -> None:
        self._data, self._where = data, where
        self.shape: tuple[int, ...] = tuple(data.shape)
        self.dtype = _unsigned(np.dtype(data.dtype))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Read a part.

        Raises
        ------
        InputError
            If it holds negative or fractional values.
        """
        return as_labels(np.asarray(self._data[key]), where=self._where)


def as_labels(values: npt.NDArray[Any], *, where: str) -> npt.NDArray[Any]:
    """Make labels unsigned without changing a value.

    Raises
    ------
    InputError
        If a value is negative, fractional, not finite or too large.
    """
    target = _unsigned(values.dtype)
    if values.dtype == target:
        return values
    if (
        values.dtype.kind in "if"
        and values.size
        and not (values.min() >= 0 and values.max() <= np.iinfo(target).max)
    ):
        raise InputError(
            "label values must be whole numbers from 0 up",
            where=where,
            mend="0 is unlabelled, classes count from 1; is this perhaps the image?",
        )
    labels = values.astype(target)
    if values.dtype.kind == "f" and not np.array_equal(labels, values):
        raise InputError(
            "labels hold fractional values",
            where=where,
            mend="save whole numbers; is this perhaps the image or a probability map?",
        )
    return labels


def _unsigned(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "f":
        return np.dtype(np.uint32)
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    return np.dtype(f"u{dtype.itemsize}") if dtype.kind == "i" else dtype
