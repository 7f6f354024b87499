"""Watershed from painted seeds, or from markers of its own whose basins paint then names."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage
from skimage import filters, segmentation
from skimage.morphology import h_minima

from napari_densify.classical.regions import classify_regions
from napari_densify.classical.task import Image, Labels, Parameters, Task
from napari_densify.core.volume import Spacing

__all__ = ["SEARCH", "WatershedParameters", "divide", "find_markers", "gradient_magnitude", "solve"]

SEARCH = (
    {"sigma": (0.5, 1.0, 2.0, 3.0), "landscape": ("gradient", "intensity", "inverted")},
    {"markers": ("h-minima",), "sigma": (0.5, 1.0, 2.0), "depth": (0.02, 0.05, 0.1)},
    {"markers": ("distance",), "sigma": (0.5, 1.0, 2.0), "reach": (3.0, 5.0, 10.0)},
)


class WatershedParameters(Parameters):
    """Parameters of the watershed."""

    markers: Literal["auto", "paint", "distance", "h-minima"] = Field(
        "auto",
        title="Markers",
        description="Where basins start: painted voxels, peaks of the distance to the "
        "boundary, or minima of a given depth; auto: paint where there is some",
    )
    landscape: Literal["gradient", "intensity", "inverted", "probability"] = Field(
        "gradient",
        title="Landscape",
        description="What is flooded: edge strength, intensity (bright boundaries), "
        "inverted intensity (dark boundaries), or how unsure a network is of the class",
    )
    compactness: float = Field(
        0.0,
        ge=0,
        le=100,
        title="Compactness",
        description="Greater values make basins of even size and shape; 0 follows the landscape",
    )
    depth: float = Field(
        0.1,
        ge=0,
        le=1,
        title="Depth of minima",
        description="For h-minima: least depth of a basin, as a part of the landscape's range "
        "from its 1st to its 99th percentile",
    )
    reach: float = Field(
        5.0,
        gt=0,
        le=100,
        title="Distance between peaks",
        description="For distance markers: least distance between two of them, along X",
        json_schema_extra={"unit": "voxels"},
    )


def gradient_magnitude(image: Image, *, spacing: Spacing) -> Image:
    """Edge strength, per voxel of X, with derivatives scaled by the voxel size.

    Parameters
    ----------
    image
        ``(Z, Y, X)``.
    spacing
        Voxel size (Z, Y, X) in nm.
    """
    total = np.zeros(image.shape, np.float32)
    for axis, step in enumerate(spacing):
        if image.shape[axis] > 1:
            slope = ndimage.sobel(image, axis=axis, mode="reflect") / 32
            total += (slope * (spacing[-1] / step)) ** 2
    return np.sqrt(total, out=total)


def solve(task: Task, parameters: WatershedParameters) -> Labels:
    """Flood the volume; every voxel gets the class of the basin that reaches it."""
    numbers, codes = divide(task, parameters)
    labels: Labels = codes[numbers]
    return labels


def divide(task: Task, parameters: WatershedParameters) -> tuple[npt.NDArray[Any], Labels]:
    """Flood the volume from markers, or from connected pieces of paint.

    Returns
    -------
    Number of each voxel's basin, and the class code of each number.
    """
    image = task.smooth(task.region, parameters)
    spacing = task.volume.spacing
    landscape = _landscape(task, image, parameters)
    painted = task.paint is not None and bool(task.paint.slices)
    if parameters.markers == "paint" or (parameters.markers == "auto" and painted):
        seeds, codes = _pieces(task)
        basins = segmentation.watershed(landscape, seeds, compactness=parameters.compactness)
        return basins, codes
    markers = find_markers(image, landscape, parameters=parameters, spacing=spacing)
    basins = segmentation.watershed(landscape, markers, compactness=parameters.compactness)
    return classify_regions(task, basins, image)


def _pieces(task: Task) -> tuple[npt.NDArray[np.int32], Labels]:
    """Give connected pieces of paint of one class numbers from 1; return their classes too."""
    paint = task.seeds()
    pieces = np.zeros(paint.shape, np.int32)
    codes = [task.classes[0]]  # of no piece
    for value in task.classes:
        own, count = ndimage.label(paint == value, np.ones((3, 3, 3)))
        np.add(own, len(codes) - 1, out=pieces, where=own > 0, casting="unsafe")
        codes += [value] * count
    return pieces, np.asarray(codes, task.dtype)


def _landscape(task: Task, image: Image, parameters: WatershedParameters) -> Image:
    if parameters.landscape == "gradient":
        return gradient_magnitude(image, spacing=task.volume.spacing)
    if parameters.landscape == "probability":
        return 1.0 - task.certainty(task.region)
    return image if parameters.landscape == "intensity" else -image


def find_markers(
    image: Image, landscape: Image, *, parameters: WatershedParameters, spacing: Spacing
) -> npt.NDArray[np.int32]:
    """Find where basins start, and number those places.

    Parameters
    ----------
    image, landscape
        ``(Z, Y, X)`` smoothed intensities and what will be flooded.
    parameters
        ``markers`` other than ``h-minima`` means peaks of the distance to the
        boundary that Otsu's threshold draws.
    spacing
        Voxel size (Z, Y, X) in nm.
    """
    if parameters.markers == "h-minima":
        if landscape.min() == landscape.max():
            return np.ones(image.shape, np.int32)
        # Percentiles: one bright speck in a large volume must not fill all its basins.
        low, high = np.percentile(landscape, (1, 99))
        span = float(high - low) or float(np.ptp(landscape))
        minima = h_minima(landscape, parameters.depth * span)
        markers: npt.NDArray[np.int32] = ndimage.label(minima)[0]
        return markers
    return _distance_peaks(image, parameters.reach, spacing)


def _distance_peaks(image: Image, reach: float, spacing: Spacing) -> npt.NDArray[np.int32]:
    if image.min() == image.max():
        return np.ones(image.shape, np.int32)
    bright = image > filters.threshold_otsu(image)
    distance = _depth(bright, spacing) + _depth(~bright, spacing)
    size = tuple(2 * max(0, round(reach * spacing[-1] / s)) + 1 for s in spacing)
    peaks = (distance == ndimage.maximum_filter(distance, size=size)) & (distance > 0)
    markers: npt.NDArray[Any] = ndimage.label(peaks, np.ones((3, 3, 3)))[0]
    return markers.astype(np.int32)


def _depth(mask: npt.NDArray[np.bool_], spacing: Spacing) -> npt.NDArray[Any]:
    depth: npt.NDArray[Any] = ndimage.distance_transform_edt(mask, sampling=spacing)
    return depth
