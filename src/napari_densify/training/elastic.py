"""Smooth random displacement fields: random vectors on a grid, B-splines between them.

References
----------
Cicek et al. 2016, arXiv:1606.06650, section 3: random vectors of standard deviation
4 voxels on a grid of 32 voxels, B-spline interpolated. Unser 1999,
doi:10.1109/79.799930 (interpolating splines with mirrored ends).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

__all__ = ["interpolate_field", "spline_matrix"]


@lru_cache(maxsize=256)
def spline_matrix(nodes: int, positions: tuple[float, ...]) -> Tensor:
    """Weights of a cubic interpolating spline at some positions.

    Parameters
    ----------
    nodes
        Number of grid points along the axis.
    positions
        Where to interpolate, in grid points from the first one.

    Returns
    -------
    ``(len(positions), nodes)`` float32. Row ``i`` times the values at the grid
    points is the spline at position ``i``; at a grid point it is the value there.
    """
    impulses = np.eye(nodes)
    if nodes == 1:
        return torch.ones(len(positions), 1)
    columns = [
        ndimage.map_coordinates(impulse, [positions], order=3, mode="mirror")
        for impulse in impulses
    ]
    return torch.from_numpy(np.stack(columns, 1)).float()


def interpolate_field(vectors: Tensor, axes: tuple[tuple[float, ...], ...]) -> Tensor:
    """Spline-interpolate vectors on a grid of points.

    Parameters
    ----------
    vectors
        ``(N, 3, nz, ny, nx)`` values at the grid points.
    axes
        Positions along Z, Y and X, in grid points from the first one.

    Returns
    -------
    ``(N, 3, Z, Y, X)``: the field at every combination of the positions.
    """
    z, y, x = (
        spline_matrix(n, positions).to(vectors)
        for n, positions in zip(vectors.shape[2:], axes, strict=True)
    )
    field = torch.einsum("ncabd,xd->ncabx", vectors, x)
    field = torch.einsum("ncabx,yb->ncayx", field, y)
    return torch.einsum("ncayx,za->nczyx", field, z)
