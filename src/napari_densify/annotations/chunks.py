"""The grid of chunks that annotations are stored in: one slice deep, square in the plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from napari_densify.core.blocks import Region

__all__ = ["ChunkGrid", "ChunkIndex"]

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

    def overlapping(self, region: Region) -> Iterator[tuple[ChunkIndex, Region, Region]]:
        """Chunks that share voxels with a region.

        Yields
        ------
        Index of the chunk, the shared box relative to the chunk, and the same box
        relative to the region.
        """
        steps = self.chunk_shape
        ranges = (
            range(r.start // n, -(-r.stop // n)) if r.stop > r.start else range(0)
            for r, n in zip(region, steps, strict=True)
        )
        for z, y, x in product(*ranges):
            corner = (z, y * self.edge, x * self.edge)
            shared = [
                (max(r.start, c), min(r.stop, c + n))
                for r, c, n in zip(region, corner, steps, strict=True)
            ]
            yield (
                (z, y, x),
                _shifted(shared, corner),
                _shifted(shared, tuple(r.start for r in region)),
            )


def _shifted(box: list[tuple[int, int]], origin: tuple[int, ...]) -> Region:
    z, y, x = (slice(a - o, b - o) for (a, b), o in zip(box, origin, strict=True))
    return z, y, x
