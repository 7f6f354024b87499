"""A volume seen at another voxel size, and answers brought back to its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region
from napari_densify.core.settings import Triple
from napari_densify.core.volume import Spacing, Volume

__all__ = ["RescaledSink", "coarse_region", "rescaled"]

# Axes whose voxel size differs by less are left as they are.
_ALIKE = 1.1


def rescaled(volume: Volume, spacing: Spacing) -> Volume:
    """Return the volume as it would look with voxels of another size, computed when read.

    Along an axis that gets coarser voxels are averaged by their overlap, along one that
    gets finer they are interpolated linearly.

    Parameters
    ----------
    volume
        Image with a known voxel size.
    spacing
        Voxel size (Z, Y, X) that is wanted, in nm; kept within a tenth of it.
    """
    rows = zip(volume.shape, volume.spacing, spacing, strict=True)
    z, y, x = (_length(n, old, new) for n, old, new in rows)
    sizes = [old * n / m for n, m, old in zip(volume.shape, (z, y, x), volume.spacing, strict=True)]
    data = _Resampled(volume, (z, y, x))
    return replace(
        volume, data=data, spacing=(sizes[0], sizes[1], sizes[2]), spacing_known=True, chunks=None
    )


def _length(voxels: int, old: float, new: float) -> int:
    if 1 / _ALIKE < old / new < _ALIKE:
        return voxels
    return max(1, round(voxels * old / new))


class _Resampled:
    """Array that is resampled where it is read."""

    def __init__(self, volume: Volume, shape: Triple) -> None:
        self._volume = volume
        self.shape: tuple[int, ...] = (volume.channels, *shape)
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
        channels, *box = key
        boxes, tables = [], []
        for side, n, m in zip(box, self._volume.shape, self.shape[1:], strict=True):
            start, stop, _ = side.indices(m)
            weights, first = axis_weights(np.arange(start, stop), n, m)
            tables.append(weights)
            boxes.append(slice(first, first + weights.shape[1]))
        raw = self._volume.read((boxes[0], boxes[1], boxes[2]))[channels]
        voxels: npt.NDArray[np.float32] = raw.astype(np.float32)
        for axis, weights in enumerate(tables, start=1):
            voxels = np.moveaxis(np.tensordot(weights, voxels, (1, axis)), 0, axis)
        return voxels


def axis_weights(
    positions: npt.NDArray[np.int64], source: int, target: int
) -> tuple[npt.NDArray[np.float32], int]:
    """Weights of source voxels in some voxels of an axis that is resampled.

    Parameters
    ----------
    positions
        Voxels wanted, ascending.
    source, target
        Length of the axis before and after.

    Returns
    -------
    ``(len(positions), m)`` weights, each row with sum 1, and the first source voxel.
    """
    ratio = source / target
    if ratio >= 1:
        low, high = positions * ratio, (positions + 1) * ratio
    else:
        centre = ((positions + 0.5) * ratio - 0.5).clip(0, source - 1)
        low, high = centre, centre + 1
    first = int(np.floor(low.min() + 1e-9))
    last = min(source, int(np.ceil(high.max() - 1e-9)))
    voxels = np.arange(first, last)
    overlap = np.minimum(high[:, None], voxels + 1) - np.maximum(low[:, None], voxels)
    weights = overlap.clip(min=0)
    weights /= weights.sum(1, keepdims=True)
    return weights.astype(np.float32), first


class RescaledSink:
    """Brings blocks of a rescaled volume back to the voxels of the volume itself.

    Every voxel takes the value of the rescaled one that holds its centre, so pieces fit
    without gap or overlap.

    Parameters
    ----------
    sink
        Where the result of the volume itself goes.
    shape
        Shape (Z, Y, X) of the rescaled volume.
    region
        Part (Z, Y, X) of the volume itself that is written; all by default.
    """

    def __init__(self, sink: Any, shape: Sequence[int], region: Region | None = None) -> None:
        self._sink = sink
        self.shape = (*sink.shape[:-3], *shape)
        self._region = region
        self._maps = [
            np.floor((np.arange(n) + 0.5) * m / n).astype(np.int64)
            for n, m in zip(sink.shape[-3:], shape, strict=True)
        ]

    def write(self, region: Region, array: npt.NDArray[Any]) -> None:
        """Write ``(z, y, x)`` or ``(C, z, y, x)`` values of the rescaled volume."""
        box: list[slice] = []
        for axis, (side, centres) in enumerate(zip(region, self._maps, strict=True)):
            start, stop = np.searchsorted(centres, (side.start, side.stop))
            if self._region is not None:
                start = max(start, self._region[axis].start)
                stop = min(stop, self._region[axis].stop)
            if start >= stop:
                return
            box.append(slice(int(start), int(stop)))
            picks = centres[start:stop] - side.start
            array = np.take(array, picks, axis=array.ndim - 3 + axis)
        self._sink.write((box[0], box[1], box[2]), array)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)


def coarse_region(region: Region, shape: Sequence[int], target: Sequence[int]) -> Region:
    """Voxels of the rescaled volume that cover a region of the volume itself."""
    z, y, x = (
        slice(int(s.start * m / n), min(m, int(np.ceil(s.stop * m / n))))
        for s, n, m in zip(region, shape, target, strict=True)
    )
    return z, y, x
