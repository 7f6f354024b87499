"""napari writers: layers to TIFF and OME-Zarr with voxel size, unit, class names and colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ValidationError

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import ArrayLike, Spacing
from napari_densify.io import to_nm, write_labels, write_volume

__all__ = ["write_image_layer", "write_labels_layer"]


def write_image_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an Image layer to .tif or .zarr, slab by slab.

    Raises
    ------
    InputError
        If it has other axes than Z, Y, X, or cannot be written there.
    """
    array = _stack(data, attributes, path)
    spacing, known = _spacing(attributes)
    return [str(write_volume(path, array, spacing=spacing, spacing_known=known))]


def write_labels_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Labels layer to .tif or .zarr with its class table.

    Raises
    ------
    InputError
        If it has other axes than Z, Y, X, or cannot be written there.
    """
    array = _stack(data, attributes, path)
    spacing, known = _spacing(attributes)
    classes = _classes(attributes)
    return [str(write_labels(path, array, spacing=spacing, spacing_known=known, classes=classes))]


def _stack(data: Any, attributes: dict[str, Any], path: str) -> ArrayLike:
    """Finest level of the data as (Z, Y, X)."""
    array = data[0] if attributes.get("multiscale") else data
    if array.ndim == 2:
        return np.asarray(array)[None]
    if array.ndim != 3:
        raise InputError(
            f"the layer has {array.ndim} axes",
            where=path,
            mend="save a layer with axes Z, Y, X, or Y, X",
        )
    stack: ArrayLike = array
    return stack


def _spacing(attributes: dict[str, Any]) -> tuple[Spacing, bool]:
    """Voxel size in nm; unknown if the layer's units are no lengths."""
    scale = [float(s) for s in attributes.get("scale", (1, 1, 1))]
    units = [str(u) for u in attributes.get("units") or ["pixel"] * len(scale)]
    sizes = [to_nm(s, u) for s, u in zip(scale, units, strict=True)]
    sizes = [sizes[0]] * (3 - len(sizes)) + sizes
    if any(s is None for s in sizes):
        return (1.0, 1.0, 1.0), False
    z, y, x = (float(s) for s in sizes if s is not None)
    return (z, y, x), True


def _classes(attributes: dict[str, Any]) -> ClassTable | None:
    stored = attributes.get("metadata", {}).get("densify_classes")
    try:
        return None if stored is None else ClassTable.model_validate(stored)
    except ValidationError:
        return None
