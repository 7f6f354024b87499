"""What is on screen, cut into pieces that a training can spare the time for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from napari_densify.core.blocks import Region, region_shape
from napari_densify.core.settings import Triple

__all__ = ["Piece", "plan_pieces"]

# A coarse answer is given first where the fine one would take longer than this.
_COARSE_S = 2.0
# Edge of a tile, and of one where the large one would take longer than the first sight
# of a slice should: then its middle comes first.
_EDGE, _SMALL_EDGE, _SIGHT_S = 1024, 512, 1.5


@dataclass(frozen=True)
class Piece:
    """A box to be predicted, and the box that its labels fill (a larger one if coarse)."""

    region: Region
    fill: Region
    coarse: bool = False

    def read_voxels(self, halo: Triple) -> int:
        """Voxels that are read for it."""
        return _voxels(self.region, halo)


def plan_pieces(
    region: Region, halo: Triple, second_a_voxel: float, *, coarse: bool = True
) -> Iterator[Piece]:
    """Cut what is on screen into single slices of at most 1024 x 1024 (or 512 x 512) voxels.

    Slices are cheap along Z and dear across it, where each brings its whole halo: of a
    plane XZ or YZ, or of a box, every n-th slice comes first and stands for its
    neighbours, as long as that takes two seconds. Tiles of a large slice come from the
    middle outwards.

    Parameters
    ----------
    region
        What is on screen.
    halo
        Voxels (Z, Y, X) read around a piece on each side.
    second_a_voxel
        Time that reading and predicting a voxel took last.
    coarse
        Give a coarse answer first where the fine one takes long.
    """
    depth = region_shape(region)[0]
    edge = _EDGE if (_EDGE + 2 * halo[1]) ** 2 * second_a_voxel < _SIGHT_S else _SMALL_EDGE
    tiles = list(_tiles(region, edge))
    whole = depth * sum(_voxels((slice(0, 1), *t), halo) for t in tiles) * second_a_voxel
    step = min(depth, math.ceil(whole / _COARSE_S)) if coarse else 1
    first, last = region[0].start, region[0].stop
    ahead = range(first, last, step)
    if step > 1:
        for z in ahead:
            box = slice(z, min(z + step, last))
            for y, x in tiles:
                yield Piece((slice(z, z + 1), y, x), (box, y, x), coarse=True)
    for z in range(first, last):
        if step > 1 and z in ahead:
            continue  # its coarse answer was the fine one
        for y, x in tiles:
            one = (slice(z, z + 1), y, x)
            yield Piece(one, one)


def _tiles(region: Region, edge: int) -> Iterator[tuple[slice, slice]]:
    """Tiles (Y, X) of a region, those in its middle first."""
    rows, columns = (list(_cut(side, edge)) for side in region[1:])
    middle = [(side.start + side.stop) / 2 for side in region[1:]]

    def distance(tile: tuple[slice, slice]) -> float:
        return math.dist([(s.start + s.stop) / 2 for s in tile], middle)

    yield from sorted(((y, x) for y in rows for x in columns), key=distance)


def _cut(side: slice, edge: int) -> Iterator[slice]:
    for start in range(side.start, side.stop, edge):
        yield slice(start, min(start + edge, side.stop))


def _voxels(region: Region, halo: Triple) -> int:
    return math.prod(n + 2 * h for n, h in zip(region_shape(region), halo, strict=True))
