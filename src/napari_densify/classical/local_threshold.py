"""Local thresholds: each voxel against its surroundings."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from skimage import filters

from napari_densify.classical.grouping import Groups, group_rule
from napari_densify.classical.smoothing import gaussian_kernel
from napari_densify.classical.task import Image, Parameters, Rule, Task, grow
from napari_densify.core.blocks import Region
from napari_densify.core.volume import Spacing

__all__ = ["SEARCH", "LocalThresholdParameters", "fit", "local_threshold", "window_shape"]

SEARCH = {
    "algorithm": ("gaussian", "sauvola", "niblack"),
    "window": (15, 31, 61),
    "sigma": (0.0, 1.0, 2.0),
}


class LocalThresholdParameters(Parameters):
    """Parameters of the local threshold."""

    algorithm: Literal["gaussian", "mean", "sauvola", "niblack"] = Field(
        "gaussian", title="Algorithm", description="How the threshold follows the surroundings"
    )
    window: int = Field(
        31,
        ge=3,
        le=401,
        title="Window",
        description="Width of the surroundings along X; scaled to Y and Z by the voxel size",
        json_schema_extra={"unit": "voxels"},
    )
    offset: float = Field(
        0.0,
        title="Offset",
        description="Subtracted from the threshold (gaussian and mean)",
        json_schema_extra={"unit": "intensity"},
    )
    k: float = Field(
        0.2, ge=-1, le=1, title="k", description="Weight of the deviation (sauvola and niblack)"
    )


def window_shape(width: int, spacing: Spacing) -> tuple[int, int, int]:
    """Odd window (Z, Y, X) of one physical width, given in voxels along X.

    Examples
    --------
    >>> window_shape(31, (50.0, 5.0, 5.0))
    (3, 31, 31)
    """
    z, y, x = (2 * int(width * spacing[2] / s / 2) + 1 for s in spacing)
    return z, y, x


def local_threshold(
    image: Image,
    *,
    algorithm: str = "gaussian",
    window: tuple[int, int, int],
    offset: float = 0.0,
    k: float = 0.2,
    span: float = 255.0,
) -> npt.NDArray[Any]:
    """Threshold of every voxel, with scikit-image.

    Parameters
    ----------
    image
        ``(Z, Y, X)``.
    window
        Odd widths (Z, Y, X) in voxels.
    span
        Range of intensities in the volume (sauvola compares deviations with half of it).

    References
    ----------
    Sauvola & Pietikainen, Pattern Recognition 33, 225 (2000). Niblack, An Introduction
    to Digital Image Processing (1986).
    """
    if algorithm == "sauvola":
        found = filters.threshold_sauvola(image, window_size=window, k=k, r=span / 2)
    elif algorithm == "niblack":
        found = filters.threshold_niblack(image, window_size=window, k=k)
    else:
        found = filters.threshold_local(image, window, method=algorithm, offset=offset)
    result: npt.NDArray[Any] = found
    return result


def fit(task: Task, parameters: LocalThresholdParameters) -> Rule:
    """Compare each voxel with its surroundings; paint says which side is which class."""
    window = window_shape(parameters.window, task.volume.spacing)
    if parameters.algorithm == "gaussian":
        return group_rule(task, _by_gaussian(task, parameters, window), 2)
    span = 1.0
    if parameters.algorithm == "sauvola":
        span = max(float(np.ptp(task.sample(parameters))), 1e-6)

    def groups(region: Region) -> npt.NDArray[Any]:
        read, inner = grow(region, window, task.volume.shape)
        image = task.smooth(read, parameters)
        limit = local_threshold(
            image,
            algorithm=parameters.algorithm,
            window=window,
            offset=parameters.offset,
            k=parameters.k,
            span=span,
        )[inner]
        return (image[inner] > limit).astype(np.uint8)

    return group_rule(task, groups, 2)


def _by_gaussian(
    task: Task, parameters: LocalThresholdParameters, window: tuple[int, int, int]
) -> Groups:
    """Follow scikit-image, without computing what would be cropped afterwards."""
    kernels = [gaussian_kernel((w - 1) / 6) for w in window]

    def groups(region: Region) -> npt.NDArray[Any]:
        limit = task.filtered(region, parameters, kernels) - parameters.offset
        return (task.smooth(region, parameters) > limit).astype(np.uint8)

    return groups
