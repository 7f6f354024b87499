"""Geodesic distance to paint: paths are long where the image changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from skimage.graph import MCP_Geometric

from napari_densify.classical.growing import Coarse, coarsen, enlarge
from napari_densify.classical.task import Image, Labels, Parameters, Task
from napari_densify.classical.watershed import gradient_magnitude
from napari_densify.core.volume import Spacing

__all__ = ["SEARCH", "GeodesicParameters", "geodesic_distance", "solve"]

SEARCH = {"strength": (3.0, 10.0, 30.0, 100.0), "sigma": (0.5, 1.0, 2.0)}

_PREVIEW_VOXELS = 60_000


class GeodesicParameters(Parameters):
    """Parameters of the geodesic distance."""

    strength: float = Field(
        30.0,
        ge=0,
        le=10_000,
        title="Strength of edges",
        description="Cost of the strongest edges, where flat regions cost 1; 0: plain distance",
    )
    max_voxels: int = Field(
        1_500_000,
        ge=1_000,
        le=100_000_000,
        title="Grid",
        description="Paths are followed on a grid of at most so many voxels",
        json_schema_extra={"unit": "voxels"},
    )


def geodesic_distance(
    cost: Image, seeds: npt.NDArray[np.bool_], *, spacing: Spacing
) -> npt.NDArray[Any]:
    """Least cost of a path from seeds to each voxel, with scikit-image.

    Parameters
    ----------
    cost
        Cost per nm ``(Z, Y, X)``, positive.
    seeds
        Where paths start.
    spacing
        Voxel size (Z, Y, X) in nm.
    """
    search = MCP_Geometric(cost, sampling=spacing)
    distance: npt.NDArray[Any] = search.find_costs(np.argwhere(seeds))[0]
    return distance


def solve(task: Task, parameters: GeodesicParameters) -> Iterator[tuple[Labels, int]]:
    """Give each voxel the class of the paint that is nearest along paths; coarse, then fine.

    References
    ----------
    Criminisi et al., GeoS: geodesic image segmentation, ECCV 2008.
    """
    image = task.smooth(task.region, parameters)
    seeds = task.seeds()
    sizes = [n for n in (_PREVIEW_VOXELS,) if n < min(parameters.max_voxels, image.size)]
    sizes.append(parameters.max_voxels)
    for size in sizes:
        grid = coarsen(image, seeds, spacing=task.volume.spacing, max_voxels=size)
        yield _nearest(grid, task, parameters.strength), len(sizes)


def _nearest(grid: Coarse, task: Task, strength: float) -> Labels:
    edges = gradient_magnitude(grid.image.astype(np.float32), spacing=grid.spacing)
    # The 99th percentile: one bright speck must not make all other edges cheap.
    cost = 1.0 + strength * np.clip(edges / max(float(np.percentile(edges, 99)), 1e-6), 0, 1)
    best = np.full(task.volume.shape, np.inf, np.float32)
    labels = np.full(task.volume.shape, task.classes[0], task.dtype)
    for value in task.classes:
        own = grid.seeds == value
        if own.any():
            distance = geodesic_distance(cost, own, spacing=grid.spacing)
            fine = enlarge(distance, grid.factor, task.volume.shape)
            won = fine < best
            labels[won], best[won] = value, fine[won]
    return labels
