"""The multiscale planar features as a torch module: on the GPU, and inside exported models.

Computes what ``classical.features.compute_features`` does (smoothed intensity,
edges, Hessian eigenvalues; Lindeberg 1998 scale normalisation), slice by slice.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_densify.core.settings import FeatureConfig

__all__ = ["PlanarFeatures"]

# As in classical.features: from twice this scale on, planes are halved first.
_COARSE_SIGMA = 3.0


class PlanarFeatures(nn.Module):
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

    @property
    def step(self) -> int:
        """Planes must be a multiple of this many voxels high and wide."""
        return max(self.steps)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(N, C, Z, Y, X)`` to ``(N, C * F, Z, Y, X)`` float32."""
        n, c, z, y, x = image.shape
        planes = image.float().transpose(1, 2).reshape(-1, 1, y, x)
        grid, step = planes, 1
        rows: list[Tensor] = []
        for index, sigma in enumerate(self.config.sigmas):
            while step < self.steps[index]:
                grid, step = F.avg_pool2d(grid, 2), 2 * step
            for response in self._responses(grid, index, sigma / step):
                rows.append(response if step == 1 else _enlarge(response, step))
        features = torch.cat(rows, 1)  # (N Z C, F, Y, X)
        count = features.shape[1]
        return features.reshape(n, z, c * count, y, x).transpose(1, 2)

    def _responses(self, grid: Tensor, index: int, sigma: float) -> list[Tensor]:
        kinds = self.config.kinds
        rows: list[Tensor] = []
        smooth = _smooth(grid, getattr(self, f"kernel{index}"))
        gy, gx = _derivative(smooth, -2), _derivative(smooth, -1)
        if "intensity" in kinds:
            rows.append(smooth)
        if "edges" in kinds:
            rows.append(sigma * torch.sqrt(gy * gy + gx * gx))
        if "hessian" in kinds:
            yy, xx, xy = _derivative(gy, -2), _derivative(gx, -1), _derivative(gy, -1)
            mean, spread = 0.5 * (yy + xx), torch.sqrt(0.25 * (yy - xx) ** 2 + xy * xy)
            rows += [sigma**2 * (mean + spread), sigma**2 * (mean - spread)]
        return rows


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
