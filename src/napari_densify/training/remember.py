"""What a model keeps of its training volumes: which slices it saw, and paint, where that helps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.core.blocks import Region
from napari_densify.core.fingerprint import checksum
from napari_densify.core.labels import ClassTable, to_class_indices
from napari_densify.core.model import ModelSpec
from napari_densify.inference.memory import PaintMemory, Plane, fit_belief
from napari_densify.training.paint import TrainingSource

__all__ = ["LearnedSlices", "remember", "remember_paint"]

# Signed distances of all planes and classes that a prediction would hold in memory.
_MAX_BYTES = 1 << 28
_FEWEST_PLANES = 2
_LEAST_WEIGHT = 0.02


class LearnedSlices:
    """Which Z slices of which volumes a model learned from, so that they are never scored.

    Parameters
    ----------
    sources
        Volumes with their paint.
    held_out
        Slices that are not learned from.
    start
        Model that the training begins with: what it saw counts too.

    Attributes
    ----------
    record
        Slices by the checksum of their volume.
    """

    def __init__(
        self, sources: Sequence[TrainingSource], held_out: Sequence[int], start: ModelSpec | None
    ) -> None:
        self._named = [(checksum(source.volume), source.annotations) for source in sources]
        self._held_out = frozenset(held_out)
        self.record: dict[str, list[int]] = dict(start.training.get("learned", {}) if start else {})
        self.look()

    def look(self) -> None:
        """Take note of what is painted now."""
        for name, paint in self._named:
            seen = paint.slice_counts().keys() - self._held_out
            self.record[name] = sorted(seen.union(self.record.get(name, ())))


def remember_paint(
    sources: Sequence[TrainingSource], table: ClassTable, held_out: Sequence[int]
) -> tuple[tuple[str, ...], dict[str, torch.Tensor]]:
    """Collect what the model file keeps of the paint.

    Returns
    -------
    Checksums of the volumes, and the tensors to store (none for a volume whose
    painted slices say nothing about each other).
    """
    names: list[str] = []
    tensors: dict[str, torch.Tensor] = {}
    for number, source in enumerate(sources):
        memory = remember(source, table, held_out)
        names.append(checksum(source.volume) if memory else "")
        if memory:
            tensors |= memory.tensors(number)
    return tuple(names) if tensors else (), tensors


def remember(
    source: TrainingSource, table: ClassTable, held_out: Sequence[int]
) -> PaintMemory | None:
    """Measure whether painted slices predict each other; None if they do not."""
    rows, known = source.annotations.slice_counts(), {*table.values}
    painted = [z for z, row in rows.items() if z not in held_out and not known.isdisjoint(row)]
    _, height, width = source.volume.shape
    size = 4 * len(painted) * len(table) * height * width
    if len(painted) < _FEWEST_PLANES or size > _MAX_BYTES:
        return None
    planes = [Plane(z, _labels(source, table, z)) for z in sorted(painted)]
    belief = fit_belief(planes, len(table), source.volume.spacing)
    if belief.weight < _LEAST_WEIGHT:
        return None
    return PaintMemory(planes, len(table), source.volume.spacing, belief)


def _labels(source: TrainingSource, table: ClassTable, z: int) -> npt.NDArray[np.int16]:
    _, height, width = source.volume.shape
    region: Region = (slice(z, z + 1), slice(0, height), slice(0, width))
    indices: npt.NDArray[np.int16] = to_class_indices(source.annotations.read(region), table)[0]
    return indices
