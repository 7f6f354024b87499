"""``info``: shape, dtype, voxel size, chunks; memory and time estimate."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

from napari_densify.core.blocks import Region, region_shape
from napari_densify.core.control import JobControl
from napari_densify.core.events import Done, Event
from napari_densify.core.requests import InfoRequest
from napari_densify.core.volume import Volume
from napari_densify.engine.checks import physical_memory
from napari_densify.engine.sources import open_volume

__all__ = ["run"]

_SAMPLE_VOXELS = 4_000_000


def run(request: InfoRequest, control: JobControl) -> Iterator[Event]:
    """Describe a volume; read a small part of it to measure the reading speed."""
    volume = open_volume(request.image, spacing=request.spacing)
    yield Done(
        result={
            "image": request.image,
            "name": volume.name,
            "shape": list(volume.shape),
            "channels": volume.channels,
            "dtype": str(volume.dtype),
            "spacing_nm": list(volume.spacing),
            "spacing_known": volume.spacing_known,
            "chunks": list(volume.chunks) if volume.chunks else None,
            "memory": _memory(volume),
            "estimate": _estimate(volume),
        }
    )


def _memory(volume: Volume) -> dict[str, Any]:
    """Bytes of the image and of its labels, uncompressed, and what the machine has."""
    voxels = math.prod(volume.shape)
    return {
        "image_bytes": voxels * volume.channels * volume.dtype.itemsize,
        "labels_bytes": voxels,
        "machine_bytes": physical_memory(),
    }


def _estimate(volume: Volume) -> dict[str, Any]:
    """Seconds to read the volume, from a measured part in its middle."""
    part = _middle(volume.shape)
    start = time.perf_counter()
    volume.read(part)
    seconds = max(time.perf_counter() - start, 1e-6)
    speed = math.prod(region_shape(part)) / seconds
    return {
        "read_mvoxel_per_s": round(speed / 1e6, 1),
        "read_s": round(math.prod(volume.shape) / speed, 2),
    }


def _middle(shape: tuple[int, int, int]) -> Region:
    """Cut a box of about as many voxels as are read for the measurement."""
    depth, height, width = shape
    y, x = min(height, 1024), min(width, 1024)
    z = min(depth, max(1, _SAMPLE_VOXELS // (y * x)))
    starts = ((depth - z) // 2, (height - y) // 2, (width - x) // 2)
    a, b, c = (slice(s, s + n) for s, n in zip(starts, (z, y, x), strict=True))
    return a, b, c
