"""The multiscale features as a torch module, for exported models.

Computes what ``classical.features.compute_features`` does (smoothed intensity,
edges, Hessian eigenvalues; Lindeberg 1998 scale normalisation). Only the first and last
slices differ, where features look at slices beyond: those are repeated here.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_densify.core.settings import FeatureConfig

__all__ = ["MultiscaleFeatures"]

# As in classical.features: from twice this scale on, planes are halved first.
_COARSE_SIGMA = 3.0


class MultiscaleFeatures(nn.Module):
    """Features of every channel of a batch.

    Parameters
    ----------
    config
        Scales and kinds. Planes must be at least 16 cells of the coarsest scale
        wide, and a whole number of them: see :attr:`step`.
    """

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.config = config
        self.steps = [_step(sigma) for sigma in config.sigmas]
        for index, (sigma, step) in enumerate(zip(config.sigmas, self.steps, strict=True)):
            self.register_buffer(f"kernel{index}", _gaussian(sigma / step), persistent=False)
            if deep := config.slice_sigma(sigma):
                self.register_buffer(f"across{index}", _across(deep), persistent=False)

    @property
    def step(self) -> int:
        """Planes must be a multiple of this many voxels high and wide."""
        return max(self.steps)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(N, C, Z, Y, X)`` to ``(N, C * F, Z, Y, X)`` float32."""
        n, c, z, y, x = image.shape
        stacks = image.float().reshape(n * c, 1, z, y, x)
        rows: list[Tensor] = []
        for index, sigma in enumerate(self.config.sigmas):
            grids, step = self._along_z(stacks, index), 1
            while step < self.steps[index]:
                grids, step = F.avg_pool2d(grids, 2), 2 * step
            for response in self._responses(grids, index, sigma / step):
                rows.append(response if step == 1 else _enlarge(response, step))
        features = torch.cat(rows, 1)  # (N C Z, F, Y, X)
        count = features.shape[1]
        shaped = features.reshape(n, c, z, count, y, x).transpose(2, 3)
        return shaped.reshape(n, c * count, z, y, x)

    def _along_z(self, stacks: Tensor, index: int) -> Tensor:
        """Planes ``(N C Z, 1, Y, X)``; smoothed along Z and its differences as 3 channels."""
        kernels = getattr(self, f"across{index}", None)
        if kernels is not None:
            reach = kernels.shape[2] // 2
            around = F.pad(stacks, (0, 0, 0, 0, reach, reach), mode="replicate")
            stacks = F.conv3d(around, kernels)
        return stacks.transpose(1, 2).flatten(0, 1)

    def _responses(self, grids: Tensor, index: int, sigma: float) -> list[Tensor]:
        kinds = self.config.kinds
        rows: list[Tensor] = []
        kernel = getattr(self, f"kernel{index}")
        smooth, *deep = [_smooth(grids[:, i : i + 1], kernel) for i in range(grids.shape[1])]
        gy, gx = _derivative(smooth, -2), _derivative(smooth, -1)
        if "intensity" in kinds:
            rows.append(smooth)
        if "edges" in kinds:
            squares = sigma**2 * (gy * gy + gx * gx)
            rows.append(torch.sqrt(squares + deep[0] ** 2 if deep else squares))
        if "hessian" in kinds:
            second = (_derivative(gy, -2), _derivative(gy, -1), _derivative(gx, -1))
            yy, xy, xx = (sigma**2 * d for d in second)
            if deep:
                zy, zx = sigma * _derivative(deep[0], -2), sigma * _derivative(deep[0], -1)
                rows += _eigenvalues(deep[1], zy, zx, yy, xy, xx)
            else:
                mean, spread = 0.5 * (yy + xx), torch.sqrt(0.25 * (yy - xx) ** 2 + xy * xy)
                rows += [mean + spread, mean - spread]
        return rows


def _eigenvalues(
    zz: Tensor, zy: Tensor, zx: Tensor, yy: Tensor, xy: Tensor, xx: Tensor
) -> list[Tensor]:
    """Eigenvalues of symmetric 3 x 3 matrices, the largest first (Smith 1961)."""
    mean = (zz + yy + xx) / 3
    a, b, c = zz - mean, yy - mean, xx - mean
    squares = a * a + b * b + c * c + 2 * (zy * zy + zx * zx + xy * xy)
    spread = torch.sqrt(squares / 6)
    determinant = a * (b * c - xy * xy) - zy * (zy * c - xy * zx) + zx * (zy * xy - b * zx)
    cosine = determinant / (2 * spread**3).clamp(min=1e-20)
    angle = torch.acos(cosine.clamp(-1, 1)) / 3
    large = mean + 2 * spread * torch.cos(angle)
    small = mean + 2 * spread * torch.cos(angle + 2 * math.pi / 3)
    return [large, 3 * mean - large - small, small]


def _step(sigma: float) -> int:
    step = 1
    while sigma / step >= 2 * _COARSE_SIGMA:
        step *= 2
    return step


def _gaussian(sigma: float) -> Tensor:
    """Build the sampled kernel that scipy uses, cut at three sigma."""
    radius = int(3.0 * sigma + 0.5)
    x = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    return (kernel / kernel.sum()).float()


def _across(sigma: float) -> Tensor:
    """Kernels ``(3, 1, slices, 1, 1)``: a Gaussian along Z and its scale-normalised differences."""
    kernel = F.pad(_gaussian(sigma), (1, 1))
    wide = F.pad(kernel, (1, 1))
    first, second = 0.5 * (wide[:-2] - wide[2:]), wide[:-2] - 2 * kernel + wide[2:]
    return torch.stack([kernel, sigma * first, sigma**2 * second])[:, None, :, None, None]


def _mirror(plane: Tensor, radius: int, axis: int) -> Tensor:
    """Mirror at the border with the outermost voxel repeated, as scipy's ``reflect``."""
    length = plane.shape[axis]
    first = plane.narrow(axis, 0, radius).flip(axis)
    last = plane.narrow(axis, length - radius, radius).flip(axis)
    return torch.cat([first, plane, last], axis)


def _smooth(plane: Tensor, kernel: Tensor) -> Tensor:
    radius = (len(kernel) - 1) // 2
    plane = F.conv2d(_mirror(plane, radius, -2), kernel[None, None, :, None])
    return F.conv2d(_mirror(plane, radius, -1), kernel[None, None, None, :])


def _derivative(plane: Tensor, axis: int) -> Tensor:
    wide = _mirror(plane, 1, axis)
    length = plane.shape[axis]
    return 0.5 * (wide.narrow(axis, 2, length) - wide.narrow(axis, 0, length))


def _enlarge(plane: Tensor, step: int) -> Tensor:
    scale = float(step)
    return F.interpolate(plane, scale_factor=(scale, scale), mode="bilinear", align_corners=False)
