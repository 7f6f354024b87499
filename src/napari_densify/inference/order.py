"""Which block comes next: nearest to what is looked at, without a list of them all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from napari_densify.core.blocks import Block, Region, full_region
from napari_densify.core.settings import Triple

__all__ = ["BlockQueue", "Grid"]

# Blocks around the view (each way) that are taken before all others.
_REACH = 6


class Grid:
    """Blocks on one grid of the whole volume, so that a region's blocks fall on whole chunks.

    Parameters
    ----------
    shape
        Voxels (Z, Y, X) of the volume.
    size
        Voxels (Z, Y, X) of a block.
    region
        Part to be covered; blocks on its border are cut.
    """

    def __init__(self, shape: Triple, size: Triple, region: Region | None = None) -> None:
        self.size, self.region = size, region or full_region(shape)
        self.ranges = [
            range(side.start // n, -(-side.stop // n))
            for side, n in zip(self.region, size, strict=True)
        ]

    def __len__(self) -> int:
        return math.prod(len(r) for r in self.ranges)

    def __iter__(self) -> Iterator[Block]:
        return (self.block((z, y, x)) for z, y, x in product(*self.ranges))

    def block(self, index: Triple) -> Block:
        """Look up the block with this position in the grid of the whole volume."""
        z, y, x = (
            slice(max(i * n, side.start), min((i + 1) * n, side.stop))
            for i, n, side in zip(index, self.size, self.region, strict=True)
        )
        return Block(index=index, write=(z, y, x))

    def number(self, index: Triple) -> int:
        """Place of a block in the order of iteration."""
        z, y, x = (i - r.start for i, r in zip(index, self.ranges, strict=True))
        return (z * len(self.ranges[1]) + y) * len(self.ranges[2]) + x

    def around(self, view: Region) -> list[Block]:
        """Blocks near a view, nearest first."""
        centre = [(s.start + s.stop) / 2 for s in view]
        near = [
            range(max(r.start, int(c // n) - _REACH), min(r.stop, int(c // n) + _REACH + 1))
            for r, c, n in zip(self.ranges, centre, self.size, strict=True)
        ]
        blocks = [self.block((z, y, x)) for z, y, x in product(*near)]
        return sorted(blocks, key=lambda b: _distance(b, centre))


class BlockQueue:
    """Hands out every block once; memory doesn't grow with the volume.

    Parameters
    ----------
    grid
        The blocks.
    done
        Positions of blocks that an earlier run wrote: they are passed over.
    """

    def __init__(self, grid: Grid, done: set[Triple]) -> None:
        self._grid, self._rest = grid, enumerate(grid)
        self._passed = 0  # so many in the order of the grid are behind us
        self._taken: set[Triple] = set(done)
        self._view: Region | None = None
        self._near: list[Block] = []

    def take(self, view: Region | None) -> Block | None:
        """Return the next block; None when there is none left."""
        if view is not None and view != self._view:
            self._near = [b for b in self._grid.around(view) if self._is_free(b)]
        self._view = view
        if view is not None and self._near:
            block = self._near.pop(0)
            self._taken.add(block.index)
            return block
        for number, block in self._rest:
            self._passed = number + 1
            if block.index not in self._taken:
                self._near = [b for b in self._near if b.index != block.index]
                return block
            self._taken.discard(block.index)
        return None

    def _is_free(self, block: Block) -> bool:
        return block.index not in self._taken and self._grid.number(block.index) >= self._passed


def _distance(block: Block, centre: list[float]) -> float:
    gaps = [max(w.start - c, c - w.stop, 0.0) for w, c in zip(block.write, centre, strict=True)]
    return float(np.square(gaps).sum())
