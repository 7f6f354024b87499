"""What a model file keeps beside the weights: a forest that has its say, and the paint itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from napari_densify.core.labels import ClassTable
from napari_densify.inference.forest import Forest
from napari_densify.training.paint import PaintReader, TrainingSource
from napari_densify.training.plan import TrainPlan
from napari_densify.training.remember import remember_paint
from napari_densify.training.teacher import fit_forest

__all__ = ["Companions"]

# Steps after which a network has learned from the forest that guides it what that one knows.
_TAUGHT = 60


class Companions:
    """Forest and remembered paint of one training.

    Parameters
    ----------
    plan
        The training.
    table
        Classes of the network.
    held_out
        Z slices whose paint is neither learned nor remembered.

    Attributes
    ----------
    forest
        Has its say beside the network; None where there is none.
    remembers
        Checksums of the volumes whose paint is kept.
    """

    def __init__(self, plan: TrainPlan, table: ClassTable, held_out: Sequence[int]) -> None:
        self._plan, self._table, self._held_out = plan, table, tuple(held_out)
        self._memory: dict[str, torch.Tensor] = {}
        self._outdated = False
        self.forest: Forest | None = None
        self.remembers: tuple[str, ...] = ()

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """Tensors to store with the weights."""
        return self._memory | (self.forest.tensors() if self.forest else {})

    def learn(self, paint: PaintReader, sources: Sequence[TrainingSource]) -> None:
        """Fit the forest where none guides the network, and remember the paint."""
        self.forest = None if paint.guided else self._fit(paint)
        self._remember(sources)

    def outdate(self) -> None:
        """Note that the paint has changed; nothing is learned again before the end."""
        self.forest, self._outdated = None, True

    def finish(self, paint: PaintReader, sources: Sequence[TrainingSource], step: int) -> None:
        """Catch up with the paint, and let a forest help a network that was hardly guided."""
        if self._outdated:
            self._remember(sources)
        taught = paint.guided and step >= _TAUGHT
        if self.forest is None and not taught:
            self.forest = self._fit(paint)

    def _fit(self, paint: PaintReader) -> Forest | None:
        plan = self._plan
        if not plan.forest:
            return None
        return fit_forest(paint.crops, len(self._table), plan.working_factor, seed=plan.seed)

    def _remember(self, sources: Sequence[TrainingSource]) -> None:
        self.remembers, self._memory = remember_paint(sources, self._table, self._held_out)
