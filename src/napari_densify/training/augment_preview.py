"""Patches as a training would see them: drawn, changed at random, painted over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.core.labels import ClassTable, require_trainable
from napari_densify.core.normalisation import measure_intensity
from napari_densify.core.settings import TrainSettings
from napari_densify.training.augment import augment_batch
from napari_densify.training.facts import gather_facts
from napari_densify.training.paint import PaintReader, TrainingSource, count_painted, name_paint
from napari_densify.training.plan import resolve_plan
from napari_densify.training.state import voxel_margin

__all__ = ["AugmentedPatches", "augment_patches"]

Planes = npt.NDArray[Any]


class AugmentedPatches:
    """Middle slices of some patches, as they were drawn and as they were changed.

    Attributes
    ----------
    before, after
        ``(N, Y, X)`` standardised intensities of the first channel.
    labels_before, labels_after
        ``(N, Y, X)`` class codes, 0 where not annotated.
    classes
        Class table of the codes.
    """

    def __init__(
        self, images: Sequence[Planes], labels: Sequence[Planes], classes: ClassTable
    ) -> None:
        self.before, self.after = images
        self.labels_before, self.labels_after = labels
        self.classes = classes


def augment_patches(
    sources: Sequence[TrainingSource],
    settings: TrainSettings,
    *,
    classes: ClassTable | None = None,
    count: int = 6,
) -> AugmentedPatches:
    """Draw patches as a training with these settings would, and augment them.

    Parameters
    ----------
    sources
        Volumes with their paint.
    settings
        Preset, augmentation, patch, seed.
    classes
        Class table of the paint.
    count
        How many patches.

    Raises
    ------
    InputError
        If nothing could be trained.
    """
    counts = count_painted(sources, settings.held_out)
    require_trainable(counts, classes, where=name_paint(sources))
    table = (classes or ClassTable.from_values(counts)).only(counts)
    volumes = [source.volume for source in sources]
    plan = resolve_plan(settings, gather_facts(volumes, counts, "cpu"))
    plan = plan.model_copy(update={"features": None, "guidance": 0.0})
    intensities = [measure_intensity(volume) for volume in volumes]
    paint = PaintReader(sources, intensities, plan, table, settings.held_out)
    list(paint.read())
    batch = paint.sampler(seed=plan.seed).draw(count)
    image, _, labels = augment_batch(
        batch.image.clone(),
        None,
        batch.labels.clone(),
        plan.augment,
        spacing=volumes[0].spacing,
        generator=torch.Generator().manual_seed(settings.seed),
        margin=voxel_margin(plan),
    )
    values = np.array([0, *table.values])  # -1, not annotated, becomes 0
    return AugmentedPatches(
        [_middle(batch.image[:, 0]), _middle(image[:, 0])],
        [values[_middle(part) + 1] for part in (batch.labels, labels)],
        table,
    )


def _middle(patches: torch.Tensor) -> Planes:
    """Middle slice of ``(N, Z, Y, X)`` patches."""
    middle: Planes = patches[:, patches.shape[1] // 2].numpy()
    return middle.astype(np.float32) if middle.dtype == np.float16 else middle
