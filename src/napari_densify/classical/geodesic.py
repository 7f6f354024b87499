"""Geodesic distance to paint: paths are long where the image changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage
from skimage.graph import MCP_Geometric

from napari_densify.classical.growing import Coarse, coarse_to_fine, grid_field
from napari_densify.classical.task import Image, Labels, Parameters, Task
from napari_densify.classical.watershed import gradient_magnitude
from napari_densify.core.volume import Spacing

__all__ = ["SEARCH", "GeodesicParameters", "geodesic_distance", "solve"]

SEARCH = {"strength": (3.0, 10.0, 30.0, 100.0), "sigma": (0.5, 1.0, 2.0)}

_PREVIEW_VOXELS = 60_000
_QUICK_VOXELS = 300_000


class GeodesicParameters(Parameters):
    """Parameters of the geodesic distance."""

    strength: float = Field(
        30.0,
        ge=0,
        le=10_000,
        title="Strength of edges",
        description="Cost of the strongest edges, where flat regions cost 1; 0: plain distance",
    )
    max_voxels: int = grid_field(1_500_000)


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
    # Every path leaves the seeds through their rim: nothing is searched within them.
    inside = ndimage.binary_erosion(seeds, np.ones((3,) * seeds.ndim), border_value=1)
    search = MCP_Geometric(np.where(inside, -1, cost), sampling=spacing)
    distance: npt.NDArray[Any] = search.find_costs(np.argwhere(seeds & ~inside))[0]
    distance[seeds] = 0
    return distance


def solve(task: Task, parameters: GeodesicParameters) -> Iterator[tuple[Labels, int]]:
    """Give each voxel the class of the paint that is nearest along paths; coarse, then fine.

    References
    ----------
    Criminisi et al., GeoS: geodesic image segmentation, ECCV 2008.
    """

    def solve_grid(grid: Coarse) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        cost = _cost(grid, parameters.strength)
        for value in task.classes:
            own = grid.seeds == value
            if own.any():
                yield value, -geodesic_distance(cost, own, spacing=grid.spacing)

    # A slice by itself could be solved on a finer grid than the volume will be, but not at once.
    finest = min(parameters.max_voxels, _QUICK_VOXELS if task.quick else parameters.max_voxels)
    sizes = (_PREVIEW_VOXELS, finest)
    return coarse_to_fine(task, parameters, sizes=sizes, solve=solve_grid)


def _cost(grid: Coarse, strength: float) -> Image:
    edges = gradient_magnitude(grid.image.astype(np.float32), spacing=grid.spacing)
    # The 99th percentile: one bright speck must not make all other edges cheap.
    part = np.clip(edges / max(float(np.percentile(edges, 99)), 1e-6), 0, 1)
    cost: Image = 1.0 + strength * part
    return cost
