"""A volume made to look as the model expects it, where it differs and the user wants that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_densify.core.blocks import Region, parse_region
from napari_densify.core.errors import InputError
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import measure_intensity
from napari_densify.core.settings import PredictSettings
from napari_densify.core.volume import Volume

__all__ = ["Fitted", "fit"]


@dataclass(frozen=True)
class Fitted:
    """What is predicted in place of the volume itself, and what the user is told.

    Attributes
    ----------
    volume, spec, settings
        As prediction gets them.
    notices
        What differs, and what can be done about it.
    original
        Region of the volume itself that is wanted; None: all.
    """

    volume: Volume
    spec: ModelSpec
    settings: PredictSettings
    notices: tuple[str, ...] = ()
    original: Region | None = None

    def sinks(self, sinks: Mapping[str, Any]) -> dict[str, Any]:
        """Bring answers back to the volume's own voxels, where it was rescaled."""
        from napari_densify.inference.rescale import RescaledSink

        if not self.settings.rescale:
            return dict(sinks)
        shape = self.volume.shape
        return {name: RescaledSink(sink, shape, self.original) for name, sink in sinks.items()}


def fit(volume: Volume, spec: ModelSpec, settings: PredictSettings) -> Fitted:
    """Compare a volume with those of the training, and rescale it if the user wishes.

    Raises
    ------
    InputError
        If rescaling is wished and a voxel size is not known.
    """
    from napari_densify.inference.differences import intensity_difference, spacing_difference

    notices = []
    if settings.intensities == "model" and spec.intensity is not None:
        fixed = spec.normalisation.model_copy(update={"fixed": spec.intensity})
        spec = spec.model_copy(update={"normalisation": fixed})
    elif said := intensity_difference(
        spec.intensity, measure_intensity(volume, spec.normalisation)
    ):
        notices.append(
            f"{said}: they are rescaled to the same mean and deviation "
            "(the setting intensities=model takes them as they are)"
        )
    if settings.rescale:
        return _rescaled(volume, spec, settings, notices)
    if said := spacing_difference(spec, volume):
        notices.append(f"{said}; the setting rescale=true predicts at that size")
    return Fitted(volume, spec, settings, tuple(notices))


def _rescaled(
    volume: Volume, spec: ModelSpec, settings: PredictSettings, notices: list[str]
) -> Fitted:
    from napari_densify.inference.rescale import coarse_region, rescaled

    if not (spec.spacing_known and volume.spacing_known):
        unknown = "the model's" if volume.spacing_known else "the image's"
        raise InputError(
            f"cannot rescale: {unknown} voxel size is not known",
            where="--set rescale",
            mend="state it with --spacing, or leave rescale out",
        )
    seen = rescaled(volume, spec.spacing)
    original = None
    if settings.region:
        original = parse_region(settings.region, volume.shape)
        coarse = coarse_region(original, volume.shape, seen.shape)
        text = ",".join(f"{s.start}:{s.stop}" for s in coarse)
        settings = settings.model_copy(update={"region": text})
    return Fitted(seen, spec, settings, tuple(notices), original)
