"""First answers before anything is trained: a quick forest on the strokes so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from napari_densify.core.blocks import full_region
from napari_densify.core.control import JobControl
from napari_densify.core.events import Event
from napari_densify.core.labels import ClassTable, require_trainable
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import measure_intensity
from napari_densify.core.settings import TrainSettings
from napari_densify.inference.predictor import Predictor
from napari_densify.networks import build_network
from napari_densify.training.facts import gather_facts
from napari_densify.training.live import LivePreview
from napari_densify.training.paint import PaintReader, TrainingSource, count_painted, name_paint
from napari_densify.training.plan import resolve_plan
from napari_densify.training.spec import spec_from_plan

__all__ = ["Sketcher", "painted_classes"]


def painted_classes(
    source: TrainingSource, classes: ClassTable | None, held_out: Sequence[int]
) -> ClassTable:
    """Return the classes that are painted on slices that are trained on.

    Raises
    ------
    InputError
        If nothing can be learned from the paint.
    """
    counts = count_painted([source], held_out)
    require_trainable(counts, classes, where=name_paint([source]))
    return (classes or ClassTable.from_values(counts)).only(counts)


class Sketcher:
    """Answers what is on screen with a forest; what it has read is kept for the next time.

    Parameters
    ----------
    source
        Volume with its paint.
    settings
        Wishes of the training that will come. Only that one measures whether it needs the
        full resolution: until then cells are good enough.
    table
        Classes that are painted.
    preview
        Zarr array that the answers are written to.
    """

    def __init__(
        self, source: TrainingSource, settings: TrainSettings, table: ClassTable, preview: Path
    ) -> None:
        self._source, self._table = source, table
        intensity = measure_intensity(source.volume)
        facts = gather_facts([source.volume], count_painted([source], ()), "cpu")
        plan = resolve_plan(settings, facts.model_copy(update={"classes": len(table)}))
        self._paint = PaintReader([source], [intensity], plan, table, settings.held_out)
        for _ in self._paint.read():
            pass
        self._spec = self._describe(plan_spec := spec_from_plan(plan, **self._known()))
        self._preview = LivePreview(source, intensity, preview, settings.held_out)
        network = build_network(plan_spec.network).eval()  # only its geometry is used
        self._predictor = Predictor(
            network, self._spec, source.volume, device=torch.device("cpu"), intensity=intensity
        )

    def answer(self, control: JobControl) -> Iterator[Event]:
        """Read the paint again, learn it and label what is on screen."""
        self._paint.refresh([full_region(self._source.volume.shape)], teach=False)
        self._preview.learn(self._paint.crops, self._spec, 0, fresh=True)
        yield from self._preview.first(self._spec, self._predictor, control)

    def _known(self) -> dict[str, object]:
        volume = self._source.volume
        return {
            "classes": self._table,
            "spacing": volume.spacing,
            "spacing_known": volume.spacing_known,
            "image_channels": volume.channels,
        }

    def _describe(self, spec: ModelSpec) -> ModelSpec:
        scale = {"feature_offset": self._paint.feature_offset,
                 "feature_gain": self._paint.feature_gain}  # fmt: skip
        return spec.model_copy(update=scale)
