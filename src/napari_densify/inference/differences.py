"""What differs between a volume and those that a model was trained on."""

from __future__ import annotations

from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import Intensity
from napari_densify.core.volume import Volume

__all__ = ["intensity_difference", "spacing_difference"]

# Within these, a difference does no harm that augmentation doesn't cover.
_SPACING = 1.5
_MEAN_SHIFT = 1.0  # in standard deviations of the training
_CONTRAST = 2.0


def spacing_difference(spec: ModelSpec, volume: Volume) -> str:
    """Say so if the voxel size differs from what the model was trained on; else empty."""
    if not (spec.spacing_known and volume.spacing_known):
        return ""
    ratios = [a / b for a, b in zip(volume.spacing, spec.spacing, strict=True)]
    if all(1 / _SPACING < r < _SPACING for r in ratios):
        return ""
    here, there = (" x ".join(f"{s:g}" for s in size) for size in (volume.spacing, spec.spacing))
    return f"voxel size {here} nm differs from the {there} nm that the model was trained on"


def intensity_difference(trained: Intensity | None, measured: Intensity) -> str:
    """Say so if grey values differ from those of the training; else empty.

    Parameters
    ----------
    trained
        What the training volume was measured to be; None in older models.
    measured
        The same of the volume at hand.
    """
    if trained is None or len(trained.offset) != len(measured.offset):
        return ""
    rows = zip(trained.offset, trained.scale, measured.offset, measured.scale, strict=True)
    for number, (mean, deviation, new_mean, new_deviation) in enumerate(rows):
        contrast = new_deviation / deviation
        shifted = abs(new_mean - mean) > _MEAN_SHIFT * deviation
        if shifted or not 1 / _CONTRAST < contrast < _CONTRAST:
            channel = f" of channel {number}" if len(trained.offset) > 1 else ""
            return (
                f"intensities{channel} of {new_mean:.4g} ± {new_deviation:.3g} differ from the "
                f"{mean:.4g} ± {deviation:.3g} that the model was trained on"
            )
    return ""
