"""Random geometry of training patches: one resampling for all that changes shape.

Positions are normalised to -1..1 over the *extent* of a patch (as grid_sample does
with ``align_corners=False``), so that an image, features on a coarser grid and
labels all follow the same warp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_densify.core.recipes import AugmentConfig
from napari_densify.training.elastic import interpolate_field

__all__ = ["Warp", "draw_warp", "warp_image", "warp_labels"]


@dataclass(frozen=True)
class Warp:
    """Where each output voxel of a batch of patches is read from.

    Attributes
    ----------
    size
        Patch size (Z, Y, X) in the unit that displacements are given in.
    matrix
        ``(N, 3, 3)``: maps an output position to an input position, both in that
        unit from the patch's centre, in the order Z, Y, X.
    shift
        ``(N, 3)`` added to it.
    vectors
        ``(N, 3, nz, ny, nx)`` displacement at the grid points; None: not elastic.
    spacing
        Distance (Z, Y, X) of the grid points.
    """

    size: tuple[float, float, float]
    matrix: Tensor
    shift: Tensor
    vectors: Tensor | None = None
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def positions(self, shape: Sequence[int]) -> Tensor:
        """Input positions ``(N, z, y, x, 3)`` for a patch sampled as ``shape``."""
        axes = [_centres(n, length) for n, length in zip(shape, self.size, strict=True)]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)  # (z, y, x, 3)
        points = torch.einsum("nij,zyxj->nzyxi", self.matrix, grid.to(self.matrix.device))
        points = points + self.shift[:, None, None, None]
        if self.vectors is not None:
            points = points + self._displacement(axes).movedim(1, -1)
        return points

    def _displacement(self, axes: Sequence[Tensor]) -> Tensor:
        assert self.vectors is not None
        nodes = self.vectors.shape[2:]
        z, y, x = (
            tuple(((a / step) + (n - 1) / 2).tolist())
            for a, step, n in zip(axes, self.spacing, nodes, strict=True)
        )
        return interpolate_field(self.vectors, (z, y, x))

    def grid(self, shape: Sequence[int], device: torch.device) -> Tensor:
        """Grid for ``grid_sample``: X, Y, Z order, -1..1 over the patch."""
        half = torch.tensor(self.size, device=device) / 2
        warp = Warp(
            self.size,
            self.matrix.to(device),
            self.shift.to(device),
            None if self.vectors is None else self.vectors.to(device),
            self.spacing,
        )
        return (warp.positions(shape) / half).flip(-1)


def _centres(count: int, length: float) -> Tensor:
    return ((torch.arange(count) + 0.5) / count - 0.5) * length


def draw_warp(
    count: int,
    shape: Sequence[int],
    config: AugmentConfig,
    *,
    spacing: Sequence[float],
    generator: torch.Generator,
) -> Warp:
    """Draw the geometry of ``count`` patches.

    Parameters
    ----------
    shape
        Shape of a patch (Z, Y, X) in voxels.
    config
        Bounds of the changes, in voxels along X.
    spacing
        Voxel size (Z, Y, X) in any unit: a rotation out of the plane and a
        displacement along Z are the same in nanometres as within the plane.
    generator
        Source of all choices (on the CPU).
    """
    unit = [s / spacing[2] for s in spacing]
    size = (shape[0] * unit[0], shape[1] * unit[1], shape[2] * unit[2])
    coins = torch.rand(count, generator=generator) < config.probability
    planar = shape[0] == 1 or config.planar
    matrix = _draw_matrices(count, config, planar, generator)
    shift = (2 * torch.rand(count, 3, generator=generator) - 1) * config.shift
    shift = shift * torch.tensor(size)
    if planar:
        shift[:, 0] = 0
    identity = torch.eye(3).expand_as(matrix)
    matrix = torch.where(coins[:, None, None], matrix, identity)
    warp = Warp(size, matrix, shift * coins[:, None])
    return _with_elastic(warp, config, coins, planar, generator)


def _with_elastic(
    warp: Warp,
    config: AugmentConfig,
    coins: Tensor,
    planar: bool,
    generator: torch.Generator,
) -> Warp:
    if config.elastic_sd == 0:
        return warp
    if config.elastic_points:
        nodes = [config.elastic_points] * 3
        steps = [length / max(config.elastic_points - 1, 1) for length in warp.size]
    else:
        # The grid reaches over the patch on all sides.
        nodes = [math.ceil(length / config.elastic_grid) + 1 for length in warp.size]
        steps = [config.elastic_grid] * 3
    if planar:
        nodes[0] = 1
    vectors = torch.randn(len(coins), 3, *nodes, generator=generator) * config.elastic_sd
    if planar:
        vectors[:, 0] = 0
    vectors = vectors * coins[:, None, None, None, None]
    return Warp(warp.size, warp.matrix, warp.shift, vectors, (steps[0], steps[1], steps[2]))


def _draw_matrices(
    count: int, config: AugmentConfig, planar: bool, generator: torch.Generator
) -> Tensor:
    def draw(largest: float) -> Tensor:
        return (2 * torch.rand(count, generator=generator) - 1) * largest

    turn, shear = draw(math.radians(config.rotation)), draw(math.radians(config.shear))
    tilts = [draw(math.radians(config.tilt)) for _ in range(2)]
    scale = torch.exp(draw(math.log1p(config.scaling)))
    matrix = _rotation(turn, 1, 2)
    matrix = matrix @ _shear(shear)
    if not planar:
        matrix = matrix @ _rotation(tilts[0], 0, 1) @ _rotation(tilts[1], 0, 2)
    matrix = matrix / scale[:, None, None]
    if planar:
        matrix[:, 0, 0] = 1
    return matrix


def _rotation(angle: Tensor, a: int, b: int) -> Tensor:
    matrix = torch.eye(3).repeat(len(angle), 1, 1)
    matrix[:, a, a] = matrix[:, b, b] = torch.cos(angle)
    matrix[:, a, b], matrix[:, b, a] = -torch.sin(angle), torch.sin(angle)
    return matrix


def _shear(angle: Tensor) -> Tensor:
    matrix = torch.eye(3).repeat(len(angle), 1, 1)
    matrix[:, 1, 2] = torch.tan(angle)
    return matrix


_PADDING: dict[str, Literal["reflection", "border", "zeros"]] = {
    "reflect": "reflection",
    "nearest": "border",
    "zeros": "zeros",
}


def warp_image(image: Tensor, warp: Warp, *, fill: str = "reflect") -> Tensor:
    """Resample ``(N, C, Z, Y, X)`` linearly; the dtype is kept.

    Parameters
    ----------
    fill
        ``reflect``, ``nearest`` or ``zeros``: what lies beyond the patch.
    """
    grid = warp.grid(image.shape[2:], image.device)
    work = image.float()
    return F.grid_sample(
        work, grid, mode="bilinear", padding_mode=_PADDING[fill], align_corners=False
    ).to(image.dtype)


def warp_labels(labels: Tensor, warp: Warp, *, fill: str = "reflect") -> Tensor:
    """Resample ``(N, Z, Y, X)`` class indices to the nearest voxel; -1 is carried.

    Beyond the patch nothing is annotated, unless ``fill`` is ``nearest``.
    """
    grid = warp.grid(labels.shape[1:], labels.device)
    codes = (labels + 1).float()[:, None]
    padding = "border" if fill == "nearest" else "zeros"
    near = F.grid_sample(codes, grid, mode="nearest", padding_mode=padding, align_corners=False)
    return near[:, 0].round().to(labels.dtype) - 1
