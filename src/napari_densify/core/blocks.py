"""Blocks: the one vocabulary for cutting a volume into pieces.

A block is *read* with a halo and *written* without it; the write regions tile
the volume exactly once. Training patches, tiled prediction, blockwise classical
filters and dask all speak of the same :class:`Block`.
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
    read
        Region to be read for it: ``write`` grown by the halo, clipped to the volume.
    inner
        ``write`` relative to ``read``: crops the result of the read region.
    """

    index: tuple[int, int, int]
    write: Region
    read: Region

    @property
    def inner(self) -> Region:
        """``write`` relative to the origin of ``read``."""
        z, y, x = (
            slice(w.start - r.start, w.stop - r.start)
            for w, r in zip(self.write, self.read, strict=True)
        )
        return z, y, x


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


def _cover(start: int, stop: int, size: int) -> list[slice]:
    return [slice(a, min(a + size, stop)) for a in range(start, stop, size)]


def block_grid(
    shape: Sequence[int],
    size: Sequence[int],
    halo: Sequence[int] = (0, 0, 0),
    *,
    region: Region | None = None,
) -> Iterator[Block]:
    """Cut ``region`` of a volume into blocks, in Z-major order.

    Parameters
    ----------
    shape
        Shape of the whole volume (Z, Y, X), in voxels.
    size
        Write size of a block (Z, Y, X); blocks at the far border are smaller.
    halo
        Voxels read beyond the write region on each side, clipped to the volume.
    region
        Part of the volume to cover; all of it by default.
    """
    region = region or full_region(shape)
    covers = [_cover(r.start, r.stop, n) for r, n in zip(region, size, strict=True)]
    for index in product(*(range(len(c)) for c in covers)):
        write = tuple(c[i] for c, i in zip(covers, index, strict=True))
        read = tuple(
            slice(max(0, w.start - h), min(n, w.stop + h))
            for w, h, n in zip(write, halo, shape, strict=True)
        )
        yield Block(index=index, write=write, read=read)  # type: ignore[arg-type]


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
