"""Coarser levels of a large result, so that a viewer can show a plane at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import zarr

from napari_densify.core.blocks import block_grid
from napari_densify.io._sink_facts import SinkFacts

__all__ = ["level_factors", "write_levels"]

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


def write_levels(group: zarr.Group, facts: SinkFacts) -> list[Factor]:
    """Write arrays ``1``, ``2``, ... from array ``0``, and return all factors.

    Every n-th voxel is taken: the average of two labels is a third one.
    """
    factors = level_factors(facts.shape[-3:], facts.spacing)
    for level, (fine, coarse) in enumerate(pairwise(factors), start=1):
        steps = [b // a for a, b in zip(fine, coarse, strict=True)]
        _write_level(group, level, steps)
    return factors


def _write_level(group: zarr.Group, level: int, steps: Sequence[int]) -> None:
    source: Any = group[str(level - 1)]
    lead = source.shape[:-3]
    shape = [-(-n // s) for n, s in zip(source.shape[-3:], steps, strict=True)]
    target = group.create_array(
        str(level),
        shape=(*lead, *shape),
        chunks=(*source.chunks[:-3], *np.minimum(source.chunks[-3:], shape).tolist()),
        dtype=source.dtype,
        compressors=source.compressors,
        fill_value=0,
        dimension_names=source.metadata.dimension_names,
        overwrite=True,
    )
    for block in block_grid(shape, _BLOCK):
        every = tuple(
            slice(w.start * s, w.stop * s, s) for w, s in zip(block.write, steps, strict=True)
        )
        target[(..., *block.write)] = source[(..., *every)]
