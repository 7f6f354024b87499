"""Blocks: the one vocabulary for cutting a volume into pieces.

Blocks tile a volume exactly once, so that no voxel is written by two. What is read
around one is decided by who reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from napari_densify.core.errors import InputError

__all__ = [
    "Block",
    "Bounds",
    "Region",
    "block_grid",
    "bounds_of",
    "full_region",
    "parse_region",
    "region_of",
    "region_shape",
]

Region = tuple[slice, slice, slice]
"""Half-open box in Z, Y, X voxels, with non-negative bounds."""

Bounds = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""The same box as it travels in messages and files: start and stop along Z, Y, X."""


@dataclass(frozen=True)
class Block:
    """A piece of a volume.

    Attributes
    ----------
    index
        Position in the grid of blocks (Z, Y, X).
    write
        Region of the volume that this block is responsible for.
    """

    index: tuple[int, int, int]
    write: Region


def full_region(shape: Sequence[int]) -> Region:
    """Region that covers a (Z, Y, X) shape."""
    z, y, x = (slice(0, int(n)) for n in shape)
    return z, y, x


def region_shape(region: Region) -> tuple[int, int, int]:
    """Lengths of a region along Z, Y, X."""
    z, y, x = (s.stop - s.start for s in region)
    return z, y, x


def bounds_of(region: Region) -> Bounds:
    """Start and stop of a region along Z, Y, X."""
    z, y, x = ((s.start, s.stop) for s in region)
    return z, y, x


def region_of(bounds: Bounds) -> Region:
    """Region with these bounds."""
    z, y, x = (slice(start, stop) for start, stop in bounds)
    return z, y, x


def block_grid(shape: Sequence[int], size: Sequence[int]) -> Iterator[Block]:
    """Cut a volume into blocks, in Z-major order.

    Parameters
    ----------
    shape
        Shape of the whole volume (Z, Y, X), in voxels.
    size
        Of a block (Z, Y, X); blocks at the far border are smaller.
    """
    numbers = (range(-(-length // n)) for length, n in zip(shape, size, strict=True))
    for index in product(*numbers):
        z, y, x = (
            slice(i * n, min((i + 1) * n, length))
            for i, n, length in zip(index, size, shape, strict=True)
        )
        yield Block(index=(index[0], index[1], index[2]), write=(z, y, x))


def parse_region(text: str, shape: Sequence[int]) -> Region:
    """Parse ``z0:z1,y0:y1,x0:x1`` (either bound may be left out).

    Raises
    ------
    InputError
        If the text is not such a box, or the box lies outside ``shape``.
    """
    mend = "write it as z0:z1,y0:y1,x0:x1 in voxels, for example 0:10,0:256,:"
    parts = text.split(",")
    if len(parts) != 3:
        raise InputError(f"region {text!r} does not have three axes", mend=mend)
    slices = []
    for part, axis, n in zip(parts, "ZYX", shape, strict=True):
        try:
            a, b = part.split(":")
            start, stop = int(a.strip() or 0), int(b.strip() or n)
        except ValueError:
            raise InputError(f"region {text!r}: {part!r} is not a range", mend=mend) from None
        if not 0 <= start < stop <= n:
            raise InputError(
                f"region {text!r} leaves the volume on axis {axis} (0..{n})", mend=mend
            )
        slices.append(slice(start, stop))
    z, y, x = slices
    return z, y, x
