"""What region growing shares: filling what nothing reached, and coarse grids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from napari_densify.classical.task import Image, Labels, Parameters, Task
from napari_densify.core.volume import Spacing

__all__ = ["Coarse", "coarse_to_fine", "coarsen", "enlarge", "fill_rest", "grid_field"]


def grid_field(voxels: int) -> Any:
    """Parameter that bounds the grid a method is solved on."""
    return Field(
        voxels,
        ge=1_000,
        le=100_000_000,
        title="Grid",
        description="Solved on a grid of at most so many voxels, and interpolated from there",
        json_schema_extra={"unit": "voxels"},
    )


def fill_rest(labels: npt.NDArray[Any], task: Task) -> Labels:
    """Give voxels that nothing reached the background class, or else the nearest label."""
    rest = labels == 0
    background = task.table.background
    out = labels.astype(task.dtype)
    if background is not None:
        out[rest] = background
    elif rest.any() and not rest.all():
        out = _nearest(out, rest, task.volume.spacing)
    return out


def _nearest(labels: Labels, rest: npt.NDArray[np.bool_], spacing: Sequence[float]) -> Labels:
    if labels.shape[0] == 1:  # a third axis costs time
        plane: Labels = _nearest(labels[0], rest[0], spacing[1:])[None]
        return plane
    nearest = ndimage.distance_transform_edt(
        rest, sampling=spacing, return_distances=False, return_indices=True
    )
    filled: Labels = labels[tuple(nearest)]
    return filled


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


Solve = Callable[[Coarse], Iterable[tuple[int, npt.NDArray[Any]]]]
"""From a grid to each class with how well it suits each voxel; greatest wins."""


def coarse_to_fine(
    task: Task, parameters: Parameters, *, sizes: tuple[int, int], solve: Solve
) -> Iterator[tuple[Labels, int]]:
    """Solve on a coarse grid, for a first look, then on the finest that is allowed.

    Parameters
    ----------
    task, parameters
        Image with seeds, and its smoothing.
    sizes
        Voxels of the two grids at most.
    solve
        Solves one grid.

    Yields
    ------
    Labels ``(Z, Y, X)`` and the number of grids.
    """
    image, seeds = task.smooth(task.region, parameters), task.seeds()
    small, large = sizes
    steps = [large] if small >= min(large, image.size) else [small, large]
    for size in steps:
        grid = coarsen(image, seeds, spacing=task.volume.spacing, max_voxels=size)
        yield _best_class(solve(grid), grid.factor, task), len(steps)


def _best_class(
    claims: Iterable[tuple[int, npt.NDArray[Any]]], factor: tuple[int, int, int], task: Task
) -> Labels:
    best = np.full(task.volume.shape, -np.inf, np.float32)
    labels = np.full(task.volume.shape, task.classes[0], task.dtype)
    for value, claim in claims:
        fine = enlarge(claim, factor, task.volume.shape)
        won = fine > best
        labels[won], best[won] = value, fine[won]
    return labels


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
    fine: Image = field.astype(np.float32)
    for axis in (2, 1, 0):
        if factor[axis] > 1:
            fine = _enlarge_axis(fine, factor[axis], shape[axis], axis)
    return fine


def _enlarge_axis(field: Image, factor: int, length: int, axis: int) -> Image:
    """Several times as fast as scipy's interpolation, which knows no separable one."""
    last = field.shape[axis] - 1
    at = np.clip((np.arange(length) + 0.5) / factor - 0.5, 0, last)
    below = at.astype(np.intp)
    weight = np.expand_dims((at - below).astype(np.float32), tuple(range(1, 3 - axis)))
    fine: Image = field.take(below, axis)
    rise = field.take(np.minimum(below + 1, last), axis)
    rise -= fine
    rise *= weight
    fine += rise
    return fine
