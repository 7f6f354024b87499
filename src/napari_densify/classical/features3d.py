"""Multiscale features in 3D: smoothed intensity, edges and Hessian eigenvalues, by voxel size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_densify.classical.smoothing import gaussian_kernel, separable, smoothing_sigmas

__all__ = ["FEATURES", "compute_volume_features", "volume_halo"]

FEATURES = ("intensity", "edge", "hessian large", "hessian small")
"""Features of each scale."""

Stack = npt.NDArray[np.float32]


def volume_halo(sigmas: Sequence[float], spacing: Sequence[float]) -> tuple[int, ...]:
    """Voxels around a region that its features depend on, along Z, Y, X."""
    widths = smoothing_sigmas(max(sigmas), spacing)
    return tuple(len(gaussian_kernel(width)) // 2 + 3 for width in widths)


def compute_volume_features(
    image: Stack, *, sigmas: Sequence[float], spacing: Sequence[float]
) -> Stack:
    """Compute features of a normalised volume, with derivatives along all three axes.

    Derivatives are per voxel of X and scale-normalised (Lindeberg 1998), as the planar ones.

    Parameters
    ----------
    image
        ``(Z, Y, X)``, standardised intensities.
    sigmas
        Standard deviations along X, in voxels; scaled to Z and Y by the voxel size.
    spacing
        Voxel size (Z, Y, X) in nm.

    Returns
    -------
    ``(F, Z, Y, X)``, ``FEATURES`` for each scale.

    Examples
    --------
    >>> image = np.zeros((4, 8, 8), np.float32)
    >>> compute_volume_features(image, sigmas=(1.0, 2.0), spacing=(1, 1, 1)).shape
    (8, 4, 8, 8)
    """
    whole = tuple(slice(0, n) for n in image.shape)
    steps = [spacing[-1] / s for s in spacing]
    rows: list[Stack] = []
    for sigma in sigmas:
        kernels = [gaussian_kernel(width) for width in smoothing_sigmas(sigma, spacing)]
        smooth = separable(image, kernels, whole)
        slopes = [_slope(smooth, axis) * step for axis, step in enumerate(steps)]
        edge = np.sqrt(slopes[0] ** 2 + slopes[1] ** 2 + slopes[2] ** 2)
        large, small = _extreme_curvatures(slopes, steps)
        rows += [smooth, sigma * edge, sigma**2 * large, sigma**2 * small]
    return np.stack(rows).astype(np.float32)


def _slope(image: Stack, axis: int) -> Stack:
    slope: Stack = ndimage.correlate1d(image, [-0.5, 0.0, 0.5], axis, mode="reflect")
    return slope


def _extreme_curvatures(slopes: Sequence[Stack], steps: Sequence[float]) -> tuple[Stack, Stack]:
    """Largest and smallest eigenvalue of the Hessian, by the formula for symmetric 3 x 3.

    References
    ----------
    Smith, Eigenvalues of a symmetric 3 x 3 matrix, Communications of the ACM 4, 168 (1961).
    """
    (zz, zy, zx), (_, yy, yx), (_, _, xx) = [
        [_slope(slope, axis) * steps[axis] for axis in range(3)] for slope in slopes
    ]
    mean = (zz + yy + xx) / 3
    away = zy**2 + zx**2 + yx**2
    spread = np.sqrt(((zz - mean) ** 2 + (yy - mean) ** 2 + (xx - mean) ** 2 + 2 * away) / 6)
    safe = np.maximum(spread, 1e-20)
    a, b, c = (zz - mean) / safe, (yy - mean) / safe, (xx - mean) / safe
    d, e, f = zy / safe, zx / safe, yx / safe
    half = (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)) / 2
    angle = np.arccos(np.clip(half, -1, 1)) / 3
    return mean + 2 * spread * np.cos(angle), mean + 2 * spread * np.cos(angle + 2 * np.pi / 3)
