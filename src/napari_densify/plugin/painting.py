"""Painting aids on one plane of a Labels layer; every one is a single undoable step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.labels import UNLABELLED

__all__ = ["accept", "erase", "fill_rest"]


def fill_rest(layer: Any, axis: int, index: int, value: int) -> int:
    """Give a value to what is unpainted of a plane; return the number of voxels."""
    plane = _plane(layer.data, axis, index)
    return _paint(layer, axis, index, plane == UNLABELLED, value)


def accept(layer: Any, axis: int, index: int, prediction: Any) -> int:
    """Copy a prediction into what is unpainted of a plane; return the number of voxels."""
    source = _plane(prediction, axis, index)
    free = (_plane(layer.data, axis, index) == UNLABELLED) & (source != UNLABELLED)
    return _paint(layer, axis, index, free, source[free])


def erase(layer: Any, axis: int, index: int) -> int:
    """Make a plane unlabelled; return the number of voxels."""
    painted = _plane(layer.data, axis, index) != UNLABELLED
    return _paint(layer, axis, index, painted, UNLABELLED)


def _plane(array: Any, axis: int, index: int) -> npt.NDArray[Any]:
    key: list[Any] = [slice(None)] * 3
    key[axis] = index
    return np.asarray(array[tuple(key)])


def _paint(layer: Any, axis: int, index: int, where: npt.NDArray[np.bool_], value: Any) -> int:
    points = list(np.nonzero(where))
    points.insert(axis, np.full(points[0].size, index))
    if points[0].size:
        layer.data_setitem(tuple(points), value)
    return int(points[0].size)
