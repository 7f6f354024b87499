"""Flood with tolerance: regions of similar intensity that are connected with paint."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from napari_densify.classical.growing import fill_rest
from napari_densify.classical.task import Image, Labels, Parameters, Task

__all__ = ["SEARCH", "FloodParameters", "flood", "solve"]

SEARCH = {"tolerance": (0.02, 0.05, 0.1, 0.2), "sigma": (0.0, 1.0, 2.0, 4.0)}


class FloodParameters(Parameters):
    """Parameters of the flood."""

    tolerance: float = Field(
        0.1,
        ge=0,
        le=1,
        title="Tolerance",
        description="How far intensities may lie from those of the paint's middle half, as a part "
        "of the image's range",
    )


def flood(image: Image, seeds: npt.NDArray[np.bool_], *, tolerance: float) -> npt.NDArray[np.bool_]:
    """Voxels connected with seeds through voxels of similar intensity.

    Parameters
    ----------
    image
        ``(Z, Y, X)``.
    seeds
        Where the flood starts.
    tolerance
        Allowed difference from the middle half of the seeds' intensities. From one
        seed this is :func:`skimage.segmentation.flood` with full connectivity.
    """
    low, high = np.percentile(image[seeds], [25, 75])
    similar = (image >= low - tolerance) & (image <= high + tolerance)
    reached: npt.NDArray[np.bool_] = ndimage.binary_propagation(
        seeds & similar, structure=np.ones((3,) * image.ndim), mask=similar
    )
    return reached


def solve(task: Task, parameters: FloodParameters) -> Labels:
    """Flood from every class; where several arrive, the one nearer in intensity wins."""
    image = task.smooth(task.region, parameters)
    seeds = task.seeds()
    tolerance = parameters.tolerance * float(np.ptp(image))
    best = np.full(image.shape, np.inf, np.float32)
    labels = np.zeros(image.shape, np.int32)
    for value in task.classes:
        own = seeds == value
        if not own.any():
            continue
        distance = np.abs(image - np.median(image[own]))
        won = flood(image, own, tolerance=tolerance) & (distance < best)
        labels[won] = value
        best[won] = distance[won]
    labels[seeds > 0] = seeds[seeds > 0]
    return fill_rest(labels, task)
