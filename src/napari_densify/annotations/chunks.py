"""The grid of chunks that annotations are stored in: one slice deep, square in the plane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from napari_densify.core.blocks import Region

__all__ = ["ChunkGrid", "ChunkIndex", "rows_of"]

_LONGEST_ROW = 16

ChunkIndex = tuple[int, int, int]
"""Position of a chunk in the grid (Z, Y, X)."""


@dataclass(frozen=True)
class ChunkGrid:
    """How a volume is cut into chunks of ``(1, edge, edge)`` voxels.

    Attributes
    ----------
    shape
        Voxels of the volume along Z, Y, X.
    edge
        Edge of a chunk in Y and X, in voxels.
    """

    shape: tuple[int, int, int]
    edge: int = 256

    @property
    def chunk_shape(self) -> tuple[int, int, int]:
        """Shape of a whole chunk; those at the far border are clipped to the volume."""
        return (1, self.edge, self.edge)

    def region(self, index: ChunkIndex) -> Region:
        """Part of the volume that a chunk covers, clipped to the volume."""
        z, y, x = index
        e = self.edge
        return (
            slice(z, z + 1),
            slice(y * e, min((y + 1) * e, self.shape[1])),
            slice(x * e, min((x + 1) * e, self.shape[2])),
        )

    def bounds(self, region: Region) -> list[tuple[int, int]]:
        """First and one past the last chunk that a region touches, along Z, Y, X."""
        if any(r.stop <= r.start for r in region):
            return [(0, 0)] * 3
        sizes = self.chunk_shape
        return [(r.start // n, -(-r.stop // n)) for r, n in zip(region, sizes, strict=True)]

    def indices(self, region: Region) -> Iterator[ChunkIndex]:
        """Chunks that share voxels with a region."""
        z, y, x = (range(*bounds) for bounds in self.bounds(region))
        return product(z, y, x)

    def overlap(self, index: ChunkIndex, region: Region) -> tuple[Region, Region]:
        """Voxels shared by a chunk and a region: relative to the chunk, and to the region."""
        z, y, x = index
        rz, ry, rx = region
        top, left = y * self.edge, x * self.edge
        y0, y1 = max(ry.start, top), min(ry.stop, top + self.edge)
        x0, x1 = max(rx.start, left), min(rx.stop, left + self.edge)
        inside = (slice(0, 1), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        outside = (
            slice(z - rz.start, z - rz.start + 1),
            slice(y0 - ry.start, y1 - ry.start),
            slice(x0 - rx.start, x1 - rx.start),
        )
        return inside, outside

    def overlapping(self, region: Region) -> Iterator[tuple[ChunkIndex, Region, Region]]:
        """Chunks that share voxels with a region, each with its :meth:`overlap`."""
        for index in self.indices(region):
            yield index, *self.overlap(index, region)


def rows_of(indices: Iterable[ChunkIndex]) -> list[list[ChunkIndex]]:
    """Group chunks into runs of neighbours along X, none of them long."""
    rows: list[list[ChunkIndex]] = []
    for z, y, x in sorted(indices):
        if rows and rows[-1][-1] == (z, y, x - 1) and len(rows[-1]) < _LONGEST_ROW:
            rows[-1].append((z, y, x))
        else:
            rows.append([(z, y, x)])
    return rows
