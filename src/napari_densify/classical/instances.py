"""Objects from classes: one id for each, split where two touch."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage
from skimage.segmentation import watershed

from napari_densify.core.base import Settings
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Spacing

__all__ = ["InstanceParameters", "label_objects", "object_class", "renumber"]

Ids = npt.NDArray[np.uint32]


class InstanceParameters(Settings):
    """Parameters of the separation of objects."""

    object_class: int | None = Field(
        None,
        ge=1,
        title="Class of the objects",
        description="None: the class that isn't background; without a background class the "
        "one that is most frequent (a boundary is thinner than what it encloses)",
    )
    kind: Literal["auto", "blobs", "cells"] = Field(
        "auto",
        title="Kind",
        description="blobs: objects in a background, split where they touch; cells: filled "
        "spaces parted by a boundary class, which they then share out; auto: blobs where "
        "a background class is known",
    )
    smoothing: float = Field(
        1.0,
        ge=0,
        le=20,
        title="Smoothing",
        description="Of the distance to the border, along X: greater values split less",
        json_schema_extra={"unit": "voxels"},
    )
    depth: float = Field(
        0.15,
        ge=0,
        le=0.95,
        title="Depth of a neck",
        description="How much narrower than the objects the place must be where two are split, "
        "as a part of the smaller one's half width; 0.95 hardly ever splits",
    )
    smallest: float = Field(
        30,
        ge=0,
        title="Smallest object",
        description="Smaller ones are dropped (blobs) or given to a neighbour (cells)",
        json_schema_extra={"unit": "voxels"},
    )
    fill_boundary: bool = Field(
        False,
        title="Share out the boundary",
        description="Cells: boundary voxels go to the nearest object; otherwise they are 0",
    )


def label_objects(
    labels: npt.NDArray[Any],
    *,
    classes: ClassTable | None = None,
    spacing: Spacing = (1.0, 1.0, 1.0),
    parameters: InstanceParameters | None = None,
) -> Ids:
    """Give each object of a class its own id.

    The distance to the border of the class, in nm, is smoothed and flooded from its
    peaks; two peaks are two objects if the neck between them is clearly narrower than
    the smaller object.

    Parameters
    ----------
    labels
        Dense class codes ``(Z, Y, X)``.
    classes
        Says which class is background.
    spacing
        Voxel size (Z, Y, X) in nm.
    parameters
        What counts as an object.

    Returns
    -------
    Ids ``(Z, Y, X)``, uint32, from 1 without gaps; 0 is no object.

    Raises
    ------
    InputError
        If no voxel has the class of the objects.

    References
    ----------
    Beucher & Lantuejoul, Use of watersheds in contour detection, 1979; dynamics of
    peaks: Grimaud, SPIE 1769 (1992).
    """
    parameters = parameters or InstanceParameters()
    value = object_class(labels, classes, parameters.object_class)
    inside = labels == value
    if not inside.any():
        raise InputError(
            f"no voxel has the class of the objects ({value})",
            where="prediction",
            mend="choose it with --set object_class=N",
        )
    ids = _split(inside, spacing, parameters)
    cells = parameters.kind == "cells" or (
        parameters.kind == "auto" and (classes is None or classes.background is None)
    )
    ids = _drop_small(ids, inside, parameters.smallest, refill=cells, spacing=spacing)
    if cells and parameters.fill_boundary:
        ids = _nearest_id(ids, np.ones_like(inside), spacing)
    return renumber(ids)


def object_class(
    labels: npt.NDArray[Any], classes: ClassTable | None, wanted: int | None = None
) -> int:
    """Class whose objects are told apart: the one wanted, else the most frequent foreground.

    Raises
    ------
    InputError
        If there is nothing but background.
    """
    if wanted is not None:
        return wanted
    background = classes.background if classes else None
    values, counts = np.unique(labels[labels != 0], return_counts=True)
    others = [(n, int(v)) for v, n in zip(values, counts, strict=True) if v != background]
    if not others:
        raise InputError("it holds nothing but background", where="prediction")
    return max(others)[1]


def _split(inside: npt.NDArray[np.bool_], spacing: Spacing, parameters: InstanceParameters) -> Ids:
    distance = ndimage.distance_transform_edt(inside, sampling=spacing).astype(np.float32)
    if parameters.smoothing > 0:
        sigmas = [parameters.smoothing * spacing[-1] / s for s in spacing]
        smooth = ndimage.gaussian_filter(distance, sigmas)
        distance = np.where(inside, smooth, 0)
    markers = _peaks(distance, inside, spacing, parameters.depth)
    ids: Ids = watershed(-distance, markers, mask=inside).astype(np.uint32)
    return ids


def _peaks(
    distance: npt.NDArray[np.float32],
    inside: npt.NDArray[np.bool_],
    spacing: Spacing,
    depth: float,
) -> npt.NDArray[np.int32]:
    """Find peaks that rise above every neck by a part of their own height, and number them.

    On the logarithm of the distance a fixed height is a fixed ratio, whatever the size.
    """
    from skimage.morphology import local_maxima, reconstruction

    if depth == 0:
        peaks = (distance == ndimage.maximum_filter(distance, 3)) & inside
    else:
        floor = 0.5 * min(spacing)
        relief = np.log(np.maximum(distance, floor))
        # Without a deep rim a lone object whose relief is low all over would have no peak.
        relief = np.where(inside, relief, relief.min() - 10).astype(np.float32)
        # Regional maxima of the h-transform; scikit-image's h_maxima keeps two peaks of
        # one height apart however shallow the neck between them is.
        level = relief + np.float32(np.log(1 - depth))
        peaks = local_maxima(reconstruction(level, relief))
    markers: npt.NDArray[np.int32] = ndimage.label(peaks & inside, np.ones((3, 3, 3)))[0]
    return markers


def _drop_small(
    ids: Ids,
    inside: npt.NDArray[np.bool_],
    smallest: float,
    *,
    refill: bool,
    spacing: Spacing,
) -> Ids:
    sizes = np.bincount(ids.ravel())
    small = sizes < smallest
    small[0] = False
    if not small.any():
        return ids
    kept = np.where(small[ids], 0, ids).astype(np.uint32)
    return _nearest_id(kept, inside, spacing) if refill and kept.any() else kept


def _nearest_id(ids: Ids, where: npt.NDArray[np.bool_], spacing: Spacing) -> Ids:
    nearest = ndimage.distance_transform_edt(
        ids == 0, sampling=spacing, return_distances=False, return_indices=True
    )
    filled: Ids = np.where(where, ids[tuple(nearest)], 0).astype(np.uint32)
    return filled


def renumber(ids: npt.NDArray[Any]) -> Ids:
    """Give objects numbers from 1 without gaps; 0 stays 0."""
    numbers, flat = np.unique(ids, return_inverse=True)
    dense = flat if numbers[0] == 0 else flat + 1
    result: Ids = dense.reshape(ids.shape).astype(np.uint32)
    return result
