"""The image of a project: how it is known again, found again, or copied in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_densify.core.blocks import Region, block_grid
from napari_densify.core.errors import InputError
from napari_densify.core.volume import ArrayLike, Spacing, Volume
from napari_densify.io import create_sink

__all__ = ["checksum", "copy_blockwise", "same_image"]

_EDGE = 64


def checksum(volume: Volume) -> str:
    """Hash nine small blocks of an image: quick at any size, and no two stacks agree.

    Parameters
    ----------
    volume
        At most 9 blocks of 64 x 64 voxels of it are read.
    """
    digest = hashlib.sha256(repr((volume.shape, volume.channels, volume.dtype.name)).encode())
    for region in _samples(volume.shape):
        block = volume.read(region)
        digest.update(block.astype(block.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()[:32]


def same_image(first: Volume, second: Volume) -> bool:
    """Whether two volumes hold the same image, by shape, dtype and samples."""
    return (first.shape, first.channels, first.dtype) == (
        second.shape,
        second.channels,
        second.dtype,
    ) and checksum(first) == checksum(second)


def copy_blockwise(
    array: ArrayLike,
    target: Path,
    *,
    spacing: Spacing,
    spacing_known: bool,
    progress: Callable[[int, int], None],
) -> None:
    """Copy ``(Z, Y, X)`` or ``(C, Z, Y, X)`` voxels to a zarr, a few slices at a time.

    Raises
    ------
    InputError
        If there is no room; nothing is left at ``target``.
    """
    volume = Volume(array)
    sink = create_sink(
        target,
        shape=array.shape,
        dtype=array.dtype,
        spacing=spacing,
        spacing_known=spacing_known,
    )
    try:
        blocks = list(block_grid(volume.shape, (sink.chunks[0], 1024, 1024)))
        for number, block in enumerate(blocks):
            voxels = volume.read(block.write)
            sink.write(block.write, voxels if len(array.shape) == 4 else voxels[0])
            progress(number + 1, len(blocks))
        sink.close()
    except BaseException:
        sink.abort()
        raise


def require_image(volume: Volume, *, shape: tuple[int, ...], where: str) -> None:
    """Refuse an image that the paint doesn't fit on.

    Raises
    ------
    InputError
        If the shape differs.
    """
    if volume.shape != shape:
        raise InputError(
            f"has shape {volume.shape}, but the project was painted on {shape} (Z, Y, X)",
            where=where,
            mend="choose the image that was painted on",
        )


def _samples(shape: tuple[int, int, int]) -> list[Region]:
    z, y, x = shape
    regions: set[tuple[int, int, int]] = set()
    for k in (0, z // 2, z - 1):
        for part in (1, 2, 3):
            regions.add((k, _corner(y, part), _corner(x, part)))
    return [
        (slice(k, k + 1), slice(j, min(j + _EDGE, y)), slice(i, min(i + _EDGE, x)))
        for k, j, i in sorted(regions)
    ]


def _corner(length: int, part: int) -> int:
    return int(np.clip(length * part // 4 - _EDGE // 2, 0, max(0, length - _EDGE)))
