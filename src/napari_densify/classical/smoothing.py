"""Separable filters that compute what is asked for alone, on all cores.

The answer for a part never depends on how the volume is cut: every voxel is summed in the same
order, which is scipy's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = [
    "box_kernel",
    "gaussian_kernel",
    "in_parts",
    "kernel_reach",
    "separable",
    "smoothing_sigmas",
]

_TRUNCATE = 4.0
_SMALL = 1 << 16
_CHUNK = 1 << 15

Kernel = npt.NDArray[np.float64]


def smoothing_sigmas(sigma: float, spacing: Sequence[float]) -> tuple[float, ...]:
    """Gaussian widths in voxels along Z, Y, X for one physical width, given along X."""
    return tuple(sigma * spacing[-1] / s for s in spacing)


def gaussian_kernel(*sigmas: float) -> Kernel:
    """Weights of one Gaussian after another, each cut at four deviations as scipy does."""
    kernel = np.ones(1)
    for sigma in sigmas:
        if sigma > 1e-15:
            kernel = np.convolve(kernel, _one_gaussian(sigma))
    return kernel


@lru_cache(maxsize=64)
def _one_gaussian(sigma: float) -> Kernel:
    radius = int(_TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    kernel: Kernel = weights / weights.sum()
    return kernel


def box_kernel(width: int) -> Kernel:
    """Equal weights over an odd number of voxels."""
    return np.full(width, 1.0 / width)


def kernel_reach(kernels: Sequence[Kernel]) -> tuple[int, ...]:
    """Voxels around one that its filtered value depends on, along each axis."""
    return tuple(len(kernel) // 2 for kernel in kernels)


def separable(
    image: npt.NDArray[Any],
    kernels: Sequence[Kernel],
    inner: Sequence[slice],
    *,
    mode: str = "reflect",
) -> npt.NDArray[Any]:
    """Filter along each axis and crop: what is cropped is not filtered along the next axis.

    Equal to ``scipy.ndimage.correlate1d`` along every axis, then ``[inner]``.

    Parameters
    ----------
    image
        ``(Z, Y, X)``, floating point, or integers that float32 holds exactly; those become
        float32, where few planes are wanted without a copy of all of them.
    kernels
        Odd and symmetric weights for each axis; a single one leaves the axis as it is.
    inner
        Part of the image that is wanted.
    mode
        ``reflect`` or ``mirror``, as in scipy.
    """
    for axis, (kernel, part) in enumerate(zip(kernels, inner, strict=True)):
        wanted = part.stop - part.start
        if axis == 0 and len(kernel) > 1 and 3 * wanted <= image.shape[0]:
            image = _few_planes(image, kernel, range(part.start, part.stop), mode)
            continue
        if image.dtype.kind in "ui":
            image = image.astype(np.float32)
        if len(kernel) > 1:
            image = _along(image, kernel, axis, mode)
        crop = [slice(None)] * image.ndim
        crop[axis] = part
        image = image[tuple(crop)]
    return np.ascontiguousarray(image)


def in_parts(action: Any, length: int, step: int) -> None:
    """Run ``action(slice)`` over 0..length in steps, on all cores."""
    cuts = [*range(0, length, max(1, step)), length]
    parts = [slice(a, b) for a, b in pairwise(cuts)]
    if len(parts) < 2:
        action(slice(0, length))
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(action, parts))


def _along(image: npt.NDArray[Any], kernel: Kernel, axis: int, mode: str) -> npt.NDArray[Any]:
    out = np.empty_like(image)
    other = 1 if axis != 1 else 2

    def run(part: slice) -> None:
        key = [slice(None)] * image.ndim
        key[other] = part
        ndimage.correlate1d(image[tuple(key)], kernel, axis, output=out[tuple(key)], mode=mode)

    length = image.shape[other]
    cores = os.cpu_count() or 1
    in_parts(run, length, length if image.size < _SMALL else -(-length // cores))
    return out


def _few_planes(
    image: npt.NDArray[Any], kernel: Kernel, planes: range, mode: str
) -> npt.NDArray[Any]:
    """Filter along Z for some planes alone, summed as scipy does: from far to near."""
    dtype = np.float32 if image.dtype.kind in "ui" else image.dtype
    out = np.empty((len(planes), *image.shape[1:]), dtype)
    radius, count = len(kernel) // 2, image.shape[0]

    def run(rows: slice) -> None:
        for row, z in enumerate(planes):
            total = image[z, rows].astype(np.float64) * kernel[radius]
            for j in range(radius, 0, -1):
                low, high = _index(z - j, count, mode), _index(z + j, count, mode)
                pair = np.add(image[low, rows], image[high, rows], dtype=np.float64)
                pair *= kernel[radius - j]
                total += pair
            out[row, rows] = total

    in_parts(run, image.shape[1], max(1, _CHUNK // image.shape[2]))
    return out


def _index(i: int, count: int, mode: str) -> int:
    """Plane that stands for one beyond the border."""
    if count == 1:
        return 0
    if mode == "mirror":
        i = abs(i) % (2 * count - 2)
        return i if i < count else 2 * count - 2 - i
    i %= 2 * count
    return i if i < count else 2 * count - 1 - i
