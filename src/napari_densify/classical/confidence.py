"""Confidence-connected growing: mean and deviation are measured anew as a region grows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from napari_densify.classical.growing import fill_rest
from napari_densify.classical.task import Image, Labels, Parameters, Task

__all__ = ["SEARCH", "ConfidenceParameters", "grow_confident", "solve"]

SEARCH = {"multiplier": (1.0, 1.5, 2.0, 3.0), "sigma": (0.0, 1.0, 2.0, 4.0)}


class ConfidenceParameters(Parameters):
    """Parameters of confidence-connected growing."""

    multiplier: float = Field(
        2.0,
        gt=0,
        le=10,
        title="Multiplier",
        description="Standard deviations around the mean that still belong to a region",
    )
    iterations: int = Field(
        4, ge=1, le=50, title="Iterations", description="How often the region is measured anew"
    )


def grow_confident(
    image: Image, seeds: npt.NDArray[np.bool_], *, multiplier: float, region: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """One iteration: voxels connected with seeds within mean +- multiplier * deviation.

    Parameters
    ----------
    image, seeds
        ``(Z, Y, X)``.
    region
        Voxels whose mean and deviation count.

    References
    ----------
    ITK software guide, ConfidenceConnectedImageFilter.
    """
    mean, deviation = float(image[region].mean()), float(image[region].std())
    similar = np.abs(image - mean) <= multiplier * deviation
    # Connected parts that hold a seed: the same as propagating seeds, in one pass.
    parts, count = ndimage.label(similar, np.ones((3,) * image.ndim))
    reached = np.bincount(parts[seeds], minlength=count + 1) > 0
    reached[0] = False
    grown: npt.NDArray[np.bool_] = reached[parts] | seeds
    return grown


def solve(task: Task, parameters: ConfidenceParameters) -> Iterator[tuple[Labels, int]]:
    """Grow every class; where several arrive, the one nearer in deviations wins."""
    image = task.smooth(task.region, parameters)
    seeds = task.seeds()
    regions = {v: seeds == v for v in task.classes if (seeds == v).any()}
    for _ in range(parameters.iterations):
        grown = {
            v: grow_confident(image, seeds == v, multiplier=parameters.multiplier, region=r)
            for v, r in regions.items()
        }
        yield _decide(image, seeds, grown, task), parameters.iterations
        if all(np.array_equal(grown[v], regions[v]) for v in regions):
            return
        regions = grown


def _decide(
    image: Image,
    seeds: npt.NDArray[np.int32],
    regions: dict[int, npt.NDArray[np.bool_]],
    task: Task,
) -> Labels:
    best = np.full(image.shape, np.inf, np.float32)
    labels = np.zeros(image.shape, np.int32)
    for value, region in regions.items():
        own = image[seeds == value]
        distance = np.abs(image - own.mean()) / (own.std() + 1e-6)
        won = region & (distance < best)
        labels[won] = value
        best[won] = distance[won]
    labels[seeds > 0] = seeds[seeds > 0]
    return fill_rest(labels, task)
