"""Intensity normalisation that is fixed before training and stored with the model."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from napari_densify.core.volume import Volume

__all__ = ["Intensity", "NormalisationConfig", "measure_intensity", "normalise"]

# Largest integers that are normalised by a table of all their values.
_TABLE_BYTES = 2


class Intensity(BaseModel):
    """Offset and scale of each channel: ``(voxel - offset) / scale`` has mean 0, sd 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: tuple[float, ...]
    high: tuple[float, ...]
    offset: tuple[float, ...]
    scale: tuple[float, ...]

    @property
    def flat(self) -> bool:
        """Whether no channel has two different grey values."""
        return self.low == self.high


class NormalisationConfig(BaseModel):
    """How intensities are brought to a common range."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["percentile", "none"] = Field("percentile", title="Normalisation")
    low: float = Field(0.5, ge=0, lt=50, title="Low percentile", json_schema_extra={"unit": "%"})
    high: float = Field(
        99.5, gt=50, le=100, title="High percentile", json_schema_extra={"unit": "%"}
    )
    fixed: Intensity | None = Field(
        None, description="Taken in place of what the volume is measured to be"
    )


def measure_intensity(
    volume: Volume, config: NormalisationConfig | None = None, *, max_voxels: int = 2_000_000
) -> Intensity:
    """Measure percentiles, mean and deviation on slices spread over the volume.

    Parameters
    ----------
    volume
        Image; at most about ``max_voxels`` voxels of it are read.
    config
        Percentiles between which intensities are clipped. Volumes that hold NaN
        or infinity are measured on their finite voxels.
    max_voxels
        Bound on what is read: whole planes where eight of them fit (fewer, if there are
        fewer), the middle of larger ones.
    """
    config = config or NormalisationConfig()
    if config.fixed is not None:
        return config.fixed
    samples = _sample(volume, max_voxels)
    rows = [_measure_channel(channel, config) for channel in samples]
    low, high, offset, scale = (tuple(column) for column in zip(*rows, strict=True))
    return Intensity(low=low, high=high, offset=offset, scale=scale)


def _sample(volume: Volume, max_voxels: int) -> npt.NDArray[Any]:
    z, y, x = volume.shape
    edge = int(np.sqrt(max_voxels / min(8, z)))
    wy, wx = min(y, edge), min(x, edge)
    count = int(np.clip(max_voxels // (wy * wx), 1, z))
    ys = slice((y - wy) // 2, (y - wy) // 2 + wy)
    xs = slice((x - wx) // 2, (x - wx) // 2 + wx)
    picks = np.unique(np.linspace(0, z - 1, count).round().astype(int))
    planes = [volume.read((slice(int(i), int(i) + 1), ys, xs)) for i in picks]
    return np.concatenate(planes, axis=1).reshape(volume.channels, -1)


def _measure_channel(
    values: npt.NDArray[Any], config: NormalisationConfig
) -> tuple[float, float, float, float]:
    finite = values.astype(np.float64)
    finite = finite[np.isfinite(finite)]
    if config.kind == "none":
        return -np.inf, np.inf, 0.0, 1.0
    if finite.size == 0:
        return 0.0, 0.0, 0.0, 1.0
    low, high = np.percentile(finite, [config.low, config.high])
    if not high > low:
        low, high = float(finite.min()), float(finite.max())
    clipped = finite.clip(low, high)
    deviation = float(clipped.std())
    return float(low), float(high), float(clipped.mean()), deviation if deviation > 0 else 1.0


def normalise(image: npt.NDArray[Any], intensity: Intensity) -> npt.NDArray[np.float32]:
    """Clip and standardise ``(C, ...)`` voxels; NaN becomes the mean (0).

    Returns
    -------
    float32 array of the same shape.
    """
    if image.dtype.kind in "iu" and image.dtype.itemsize <= _TABLE_BYTES:
        return _looked_up(image, intensity)
    axes = (-1,) + (1,) * (image.ndim - 1)
    # float32 has steps of 64 near 10^9, where some images have all their grey values.
    exact = np.float32 if np.can_cast(image.dtype, np.float32) else np.float64
    low, high, offset, scale = (
        np.asarray(v, exact).reshape(axes)
        for v in (intensity.low, intensity.high, intensity.offset, intensity.scale)
    )
    out = np.clip(image.astype(exact), low, high)
    out -= offset
    out /= scale
    found: npt.NDArray[np.float32] = out.astype(np.float32, copy=False)
    np.nan_to_num(found, copy=False, nan=0.0)
    return found


def _looked_up(image: npt.NDArray[Any], intensity: Intensity) -> npt.NDArray[np.float32]:
    """Normalise integers of which there are few: a table is faster than arithmetic."""
    native = image.dtype.newbyteorder("=")
    unsigned = np.dtype(f"u{native.itemsize}")
    grey = np.arange(1 << 8 * native.itemsize, dtype=unsigned).view(native).astype(np.float32)
    codes = image.astype(native, copy=False).view(unsigned)
    out = np.empty(image.shape, np.float32)
    for number, table in enumerate(normalise(np.stack([grey] * len(image)), intensity)):
        out[number] = table[codes[number]]
    return out
