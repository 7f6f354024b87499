"""What region growing shares: filling what nothing reached, and coarse grids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_densify.classical.task import Image, Labels, Task
from napari_densify.core.volume import Spacing

__all__ = ["Coarse", "coarsen", "enlarge", "fill_rest"]


def fill_rest(labels: npt.NDArray[Any], task: Task) -> Labels:
    """Give voxels that nothing reached the background class, or else the nearest label."""
    rest = labels == 0
    background = task.table.background
    out = labels.astype(task.dtype)
    if background is not None:
        out[rest] = background
    elif rest.any() and not rest.all():
        nearest = ndimage.distance_transform_edt(
            rest, sampling=task.volume.spacing, return_distances=False, return_indices=True
        )
        out = out[tuple(nearest)]
    return out


@dataclass(frozen=True)
class Coarse:
    """Image and seeds on a coarser grid.

    Attributes
    ----------
    image, seeds
        ``(Z, Y, X)``.
    spacing
        Voxel size of the coarse grid in nm.
    factor
        Voxels of the fine grid per coarse one along Z, Y, X.
    """

    image: Image
    seeds: npt.NDArray[np.int32]
    spacing: Spacing
    factor: tuple[int, int, int]


def coarsen(
    image: Image, seeds: npt.NDArray[np.int32], *, spacing: Spacing, max_voxels: int
) -> Coarse:
    """Average an image until it has at most ``max_voxels``; finest axes are coarsened first.

    Seeds of a coarse voxel are those of the class that has most of them in it.
    """
    factor = [1, 1, 1]
    while np.prod([-(-n // f) for n, f in zip(image.shape, factor, strict=True)]) > max_voxels:
        sizes = [
            s * f if n > f else np.inf for s, f, n in zip(spacing, factor, image.shape, strict=True)
        ]
        finest = min(sizes)
        for axis, size in enumerate(sizes):
            if size < 1.5 * finest:
                factor[axis] *= 2
    z, y, x = factor
    scaled = (spacing[0] * z, spacing[1] * y, spacing[2] * x)
    if factor == [1, 1, 1]:
        return Coarse(image, seeds, spacing, (1, 1, 1))
    return Coarse(
        _blocks(image, factor).mean((1, 3, 5)), _majority(seeds, factor), scaled, (z, y, x)
    )


def _blocks(array: npt.NDArray[Any], factor: list[int]) -> npt.NDArray[Any]:
    pad = [(0, -n % f) for n, f in zip(array.shape, factor, strict=True)]
    padded = np.pad(array, pad, mode="edge")
    shape = [m for n, f in zip(padded.shape, factor, strict=True) for m in (n // f, f)]
    return padded.reshape(shape)


def _majority(seeds: npt.NDArray[np.int32], factor: list[int]) -> npt.NDArray[np.int32]:
    values = np.unique(seeds[seeds > 0])
    counts = np.stack([_blocks(seeds == v, factor).sum((1, 3, 5)) for v in values])
    majority = np.where(counts.max(0) > 0, values[counts.argmax(0)], 0)
    return majority.astype(np.int32)


def enlarge(field: npt.NDArray[Any], factor: tuple[int, int, int], shape: tuple[int, ...]) -> Image:
    """Interpolate a coarse field linearly on the fine grid; voxel centres are kept in place."""
    if factor == (1, 1, 1):
        return field.astype(np.float32)
    offset = [(1 / f - 1) / 2 for f in factor]
    fine: Image = ndimage.affine_transform(
        field.astype(np.float32),
        [1 / f for f in factor],
        offset=offset,
        output_shape=shape,
        order=1,
        mode="nearest",
    )
    return fine
