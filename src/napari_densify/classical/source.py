"""Multiscale features of any region of a volume, the same however it is cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_densify.classical.features import compute_features, feature_halo
from napari_densify.classical.features3d import compute_volume_features, volume_halo
from napari_densify.classical.task import Task, grow
from napari_densify.core.blocks import Region
from napari_densify.core.normalisation import Intensity, measure_intensity, normalise
from napari_densify.core.settings import FeatureConfig

__all__ = ["FeatureSource"]

# Coarse scales live on a grid of every 2^n-th voxel from the origin: crops start on it.
_ALIGN = 16


@dataclass(frozen=True)
class FeatureSource:
    """Features of a volume, all channels together; planar ones, or ``solid`` ones in 3D."""

    task: Task
    config: FeatureConfig
    intensity: Intensity
    solid: bool = False

    @classmethod
    def of(cls, task: Task, config: FeatureConfig, *, solid: bool = False) -> FeatureSource:
        """Measure the volume's intensities once and for all."""
        key = ("intensity", task.identity)
        if key not in task.memory:
            task.memory[key] = measure_intensity(task.volume)
        return cls(task, config, task.memory[key], solid)

    def features(self, region: Region) -> npt.NDArray[np.float32]:
        """Compute ``(F, Z, Y, X)`` of a region."""
        return self._solid(region) if self.solid else self._planar(region)

    def _solid(self, region: Region) -> npt.NDArray[np.float32]:
        spacing, sigmas = self.task.volume.spacing, self.config.sigmas
        read, inner = grow(region, volume_halo(sigmas, spacing), self.task.volume.shape)
        image = normalise(np.nan_to_num(self.task.volume.read(read)), self.intensity)
        stacks = [
            compute_volume_features(channel, sigmas=sigmas, spacing=spacing) for channel in image
        ]
        return np.concatenate(stacks)[(slice(None), *inner)]

    def _planar(self, region: Region) -> npt.NDArray[np.float32]:
        halo = feature_halo(self.config) + _ALIGN
        read, _ = grow(region, (0, halo, halo), self.task.volume.shape)
        rows, columns = (slice(r.start // _ALIGN * _ALIGN, r.stop) for r in read[1:])
        read = (read[0], rows, columns)
        inner = tuple(
            slice(r.start - g.start, r.stop - g.start) for r, g in zip(region, read, strict=True)
        )
        image = normalise(np.nan_to_num(self.task.volume.read(read)), self.intensity)
        stacks = [compute_features(channel, self.config) for channel in image]
        return np.concatenate(stacks)[(slice(None), *inner)]
