"""Coarser levels of a large result, so that a viewer can show a plane at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from napari_densify.core.blocks import Region
from napari_densify.io._sink_facts import SinkFacts

__all__ = ["create_levels", "level_factors", "write_coarser", "write_levels"]

Factor = tuple[int, int, int]

_COARSEST = 1024
_ALIKE = 1.5
_BLOCK = (64, 1024, 1024)


def level_factors(shape: Sequence[int], spacing: Sequence[float]) -> list[Factor]:
    """How much coarser each level is, the first being (1, 1, 1).

    Halved are the axes that are (nearly) as fine as the finest, until a plane has at
    most 1024 voxels a side.

    Parameters
    ----------
    shape, spacing
        Along Z, Y, X, of the finest level.
    """
    levels: list[Factor] = [(1, 1, 1)]
    while max(n / f for n, f in zip(shape[1:], levels[-1][1:], strict=True)) > _COARSEST:
        sizes = [s * f for s, f in zip(spacing, levels[-1], strict=True)]
        finest = min(sizes[1:])
        z, y, x = (
            f * 2 if size <= _ALIKE * finest and n > f else f
            for f, size, n in zip(levels[-1], sizes, shape, strict=True)
        )
        levels.append((z, y, x))
    return levels


def create_levels(group: zarr.Group, facts: SinkFacts) -> list[Factor]:
    """Create empty arrays ``1``, ``2``, ... beside array ``0``, and return all factors."""
    factors = level_factors(facts.shape[-3:], facts.spacing)
    for level, steps in enumerate(_steps(factors), start=1):
        _level(group, level, steps)
    return factors


def write_coarser(
    group: zarr.Group, factors: Sequence[Factor], region: Region, block: npt.NDArray[Any]
) -> None:
    """Write a block ``([C,] Z, Y, X)`` of array ``0`` into the coarser levels that are there."""
    for level, factor in enumerate(factors[1:], start=1):
        target: Any = group[str(level)]
        first = [-(-side.start // f) for side, f in zip(region, factor, strict=True)]
        z, y, x = (
            slice(a * f - side.start, None, f)
            for a, side, f in zip(first, region, factor, strict=True)
        )
        thinned = block[..., z, y, x]
        if thinned.size:
            box = (slice(a, a + n) for a, n in zip(first, thinned.shape[-3:], strict=True))
            target[(..., *box)] = thinned


def write_levels(group: zarr.Group, facts: SinkFacts) -> list[Factor]:
    """Write arrays ``1``, ``2``, ... from array ``0``, and return all factors.

    Every n-th voxel is taken: the average of two labels is a third one.
    """
    factors = level_factors(facts.shape[-3:], facts.spacing)
    for level, steps in enumerate(_steps(factors), start=1):
        source: Any = group[str(level - 1)]
        target = _level(group, level, steps)
        for box in _written(source, steps, target.shape[-3:]):
            every = tuple(
                slice(b.start * s, b.stop * s, s) for b, s in zip(box, steps, strict=True)
            )
            target[(..., *box)] = source[(..., *every)]
    return factors


def _steps(factors: Sequence[Factor]) -> list[list[int]]:
    """How much coarser each level is than the one before it."""
    return [
        [b // a for a, b in zip(fine, coarse, strict=True)] for fine, coarse in pairwise(factors)
    ]


def _level(group: zarr.Group, level: int, steps: Sequence[int]) -> Any:
    """Array of a level, made where it isn't there; a file that lists it is always whole."""
    if str(level) in group:
        return group[str(level)]
    source: Any = group[str(level - 1)]
    shape = [-(-n // s) for n, s in zip(source.shape[-3:], steps, strict=True)]
    return group.create_array(
        str(level),
        shape=(*source.shape[:-3], *shape),
        chunks=(*source.chunks[:-3], *np.minimum(source.chunks[-3:], shape).tolist()),
        dtype=source.dtype,
        compressors=source.compressors,
        fill_value=0,
        dimension_names=source.metadata.dimension_names,
    )


def _written(source: Any, steps: Sequence[int], shape: Sequence[int]) -> list[Region]:
    """Boxes of the coarser level, none of them large, that chunks in files take part in.

    A region of a huge volume may be all that was predicted: the rest isn't looked at.
    """
    root = Path(source.store.root) / source.path / "c"
    chunks = {path.relative_to(root).parts[-3:] for path in root.rglob("*") if path.is_file()}
    if not chunks:
        return []
    numbers = np.array([list(map(int, chunk)) for chunk in chunks])
    size = np.array(source.chunks[-3:]) / steps
    first, last = np.floor(numbers * size).astype(int), np.ceil((numbers + 1) * size).astype(int)
    last = np.minimum(last, shape)
    blocks, member = np.unique(first // _BLOCK, axis=0, return_inverse=True)
    boxes = []
    for number in range(len(blocks)):
        inside = member.reshape(-1) == number
        low, high = first[inside].min(0).tolist(), last[inside].max(0).tolist()
        z, y, x = (slice(a, b) for a, b in zip(low, high, strict=True))
        boxes.append((z, y, x))
    return boxes
