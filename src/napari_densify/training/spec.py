"""What a model file says of itself and of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import TrainSettings, Triple
from napari_densify.networks import receptive_radius, valid_margin
from napari_densify.training.plan import TrainPlan
from napari_densify.training.state import TrainingState

__all__ = ["spec_from_plan", "training_record"]


def spec_from_plan(plan: TrainPlan, **known: Any) -> ModelSpec:
    """Describe a model as its file will."""
    return ModelSpec(
        network=plan.network,
        working_factor=plan.working_factor,
        subvoxel=plan.subvoxel,
        neighbours=plan.neighbours,
        neighbour_step=plan.neighbour_step,
        features=plan.features,
        patch=plan.patch,
        context=_context(plan),
        planar=plan.patch[0] == 1 or all(k[0] == 1 for k in plan.network.kernels),
        mirrors=plan.mirrors,
        forest=plan.forest,
        triplanar=plan.triplanar,
        **known,
    )


def training_record(
    state: TrainingState,
    settings: TrainSettings,
    *,
    seconds: float,
    learned: Mapping[str, Sequence[int]],
) -> dict[str, Any]:
    """Describe a training as its model file will; ``learned`` are slices by volume."""
    best = state.best.score
    return {
        "plan": state.plan.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "steps": state.step,
        "kept_step": state.step if best is None else best.step,
        "seconds": round(seconds, 1),
        "learned": dict(learned),
        "torch": torch.__version__,
    }


def _context(plan: TrainPlan) -> Triple:
    """Halo on the working grid: most of what the network can see, not all of it."""
    around = plan.network.slice_context
    if plan.network.padding == "valid":
        z, y, x = valid_margin(plan.network)
        return z + around, y, x
    if plan.preset in ("auto", "fast"):
        return plan.slice_reach if plan.patch[0] == 1 else max(2, plan.patch[0] // 2), 32, 32
    z, y, x = receptive_radius(plan.network)
    return min(z, max(around, plan.patch[0] // 2)), min(y, 64), min(x, 64)
