"""Multiscale features of any region of a volume, the same however it is cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_densify.classical.features import feature_halo, slab_features
from napari_densify.classical.task import Task, grow
from napari_densify.core.blocks import Region
from napari_densify.core.normalisation import Intensity, measure_intensity, normalise
from napari_densify.core.settings import FeatureConfig

__all__ = ["FeatureSource"]

# Coarse scales live on a grid of every 2^n-th voxel from the origin: crops start on it.
_ALIGN = 16


@dataclass(frozen=True)
class FeatureSource:
    """Features of a volume, all channels together."""

    task: Task
    config: FeatureConfig
    intensity: Intensity

    @classmethod
    def of(cls, task: Task, config: FeatureConfig) -> FeatureSource:
        """Measure the volume's intensities once and for all."""
        key = ("intensity", task.identity)
        if key not in task.memory:
            task.memory[key] = measure_intensity(task.volume)
        return cls(task, config, task.memory[key])

    def features(self, region: Region) -> npt.NDArray[np.float32]:
        """Compute ``(F, Z, Y, X)`` of a region."""
        halo, reach = feature_halo(self.config) + _ALIGN, self.config.reach
        read, _ = grow(region, (reach, halo, halo), self.task.volume.shape)
        rows, columns = (slice(r.start // _ALIGN * _ALIGN, r.stop) for r in read[1:])
        read = (read[0], rows, columns)
        y, x = (
            slice(r.start - g.start, r.stop - g.start)
            for r, g in zip(region[1:], read[1:], strict=True)
        )
        beyond = reach + read[0].start - region[0].start, reach + region[0].stop - read[0].stop
        image = normalise(self.task.volume.read(read), self.intensity)
        around = np.pad(image, ((0, 0), beyond, (0, 0), (0, 0)), mode="reflect")
        return np.concatenate([slab_features(c, self.config, inner=(y, x)) for c in around])
