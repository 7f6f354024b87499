"""Random walker: the class whose paint a walker is likeliest to reach first."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from skimage.segmentation import random_walker

from napari_densify.classical.growing import Coarse, coarse_to_fine, grid_field
from napari_densify.classical.task import Labels, Parameters, Task

__all__ = ["SEARCH", "RandomWalkerParameters", "solve"]

SEARCH = {"beta": (30.0, 130.0, 500.0), "sigma": (0.0, 1.0, 2.0)}

_PREVIEW_VOXELS = 30_000


class RandomWalkerParameters(Parameters):
    """Parameters of the random walker."""

    beta: float = Field(
        130.0,
        gt=0,
        le=100_000,
        title="Beta",
        description="How strongly edges hold the walker back",
    )
    max_voxels: int = grid_field(100_000)


def solve(task: Task, parameters: RandomWalkerParameters) -> Iterator[tuple[Labels, int]]:
    """Walk on a coarse grid first, then on the grid that was asked for.

    References
    ----------
    Grady, Random walks for image segmentation, IEEE TPAMI 28, 1768 (2006).
    """

    def solve_grid(grid: Coarse) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        values = np.unique(grid.seeds[grid.seeds > 0])
        if len(values) == 1 or (grid.seeds > 0).all():
            fields = np.stack([grid.seeds == v for v in values]).astype(np.float32)
        else:
            fields = _solve(grid, parameters.beta, len(values))
        return zip(map(int, values), fields, strict=True)

    sizes = (_PREVIEW_VOXELS, parameters.max_voxels)
    return coarse_to_fine(task, parameters, sizes=sizes, solve=solve_grid)


def _solve(grid: Coarse, beta: float, count: int) -> npt.NDArray[Any]:
    # scikit-image wants labels 1..K without gaps, and spacing relative to the finest axis.
    dense = np.searchsorted(np.unique(grid.seeds), grid.seeds)
    if not (grid.seeds == 0).any():
        dense = dense + 1
    spacing = np.asarray(grid.spacing) / min(grid.spacing)
    image = grid.image.astype(np.float64)
    if np.ptp(image) == 0:
        # It divides by the deviation of intensities, which must not be zero.
        image.flat[0] += 1.0
    with warnings.catch_warnings():
        # It warns of probabilities a hair outside 0..1; only their order counts here.
        warnings.simplefilter("ignore")
        found: npt.NDArray[Any] = random_walker(
            image, dense, beta=beta, mode="cg_j", tol=1e-3, spacing=spacing,
            return_full_prob=True,
        )  # fmt: skip
    return found[:count]
