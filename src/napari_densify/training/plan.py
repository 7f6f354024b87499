"""From wishes and facts to one frozen plan, by a pure function."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import (
    FeatureConfig,
    NetworkConfig,
    Settings,
    TrainSettings,
    Triple,
)
from napari_densify.inference.inputs import input_channels

__all__ = ["Facts", "TrainPlan", "resolve_plan"]

DEFAULT_BUDGET_S = 120.0


class Facts(Settings):
    """What is known of the data before the training starts."""

    shape: Triple = Field(description="Shape of the first volume (Z, Y, X)")
    channels: int = Field(1, ge=1, description="Image channels that the network will see")
    anisotropy: float = Field(
        1.0, gt=0, description="Slice distance over pixel size, stated or measured"
    )
    classes: int = Field(2, ge=2)
    painted: int = Field(0, ge=0, description="Annotated voxels")
    device: str = "cpu"


class TrainPlan(Settings):
    """A training, completely decided; stored with the model."""

    network: NetworkConfig
    working_factor: Triple = (1, 1, 1)
    subvoxel: bool = False
    features: FeatureConfig | None = None
    patch: Triple = (16, 64, 64)
    batch: int = 4
    steps: int | None = None
    budget_s: float | None = DEFAULT_BUDGET_S
    learning_rate: float = 1e-2
    weight_decay: float = 1e-2
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    schedule: Literal["constant", "step", "plateau", "cosine", "one-cycle"] = "cosine"
    loss: str = "ce"
    class_weights: Literal["none", "sqrt", "inverse"] = "sqrt"
    augment: Literal["none", "light", "full"] = "light"
    ema: float = 0.99
    seed: int = 0
    device: str = "cpu"
    precision: str = "auto"
    mirrors: int = 8
    explanation: str = ""


def resolve_plan(settings: TrainSettings, facts: Facts) -> TrainPlan:
    """Decide everything that the user left open.

    Parameters
    ----------
    settings
        Wishes; None means undecided.
    facts
        What was measured on the data.
    """
    factor = settings.working_factor or _working_factor(facts)
    grid = tuple(-(-n // f) for n, f in zip(facts.shape, factor, strict=True))
    ratio = facts.anisotropy * factor[0] / factor[2]
    patch = settings.patch or _patch(grid, ratio)
    features = FeatureConfig() if settings.features is not False else None
    subvoxel = bool(settings.subvoxel) if settings.subvoxel is not None else factor != (1, 1, 1)
    network = _network(settings, facts, factor, ratio, patch, subvoxel, features)
    batch = settings.batch or max(1, round(184_320 / int(np.prod(patch))))
    wished: dict[str, Any] = {
        name: value
        for name in ("learning_rate", "weight_decay", "optimiser", "schedule", "loss",
                     "class_weights", "augment", "ema")
        if (value := getattr(settings, name)) is not None
    }  # fmt: skip
    budget = None if settings.steps else settings.budget_s or DEFAULT_BUDGET_S
    plan = TrainPlan(
        network=network,
        working_factor=factor,
        subvoxel=subvoxel,
        features=features,
        patch=patch,
        batch=batch,
        steps=settings.steps,
        budget_s=budget,
        seed=settings.seed,
        device=facts.device,
        precision=settings.precision,
        **wished,
    )
    return plan.model_copy(update={"explanation": _explain(plan, facts)})


def _working_factor(facts: Facts) -> Triple:
    _, y, x = facts.shape
    if min(y, x) < 256:
        return 1, 1, 1
    return (2 if facts.anisotropy < 1.5 and facts.shape[0] >= 64 else 1), 2, 2


def _patch(grid: tuple[int, ...], ratio: float) -> Triple:
    depth = 1 if ratio > 12 else 5 if ratio > 2 else 8 if ratio > 1.4 else 16
    side = 96 if depth <= 8 else 64
    return min(depth, _odd_or_even(grid[0], depth)), side, side


def _odd_or_even(length: int, depth: int) -> int:
    # A volume of one slice has no depth to learn from.
    return 1 if length == 1 else depth


def _network(
    settings: TrainSettings,
    facts: Facts,
    factor: Triple,
    ratio: float,
    patch: Triple,
    subvoxel: bool,
    features: FeatureConfig | None,
) -> NetworkConfig:
    depth, base = settings.depth or 4, settings.base_channels or 16
    kernels, pools = _anisotropic_levels(ratio, depth, patch[0])
    channels = [base * 2**level for level in range(depth)]
    outputs = facts.classes * (int(np.prod(factor)) if subvoxel else 1)
    return NetworkConfig(
        in_channels=input_channels(facts.channels, factor, subvoxel, features),
        out_channels=outputs,
        encoder=tuple((c, c) for c in channels),
        decoder=tuple((c, c) for c in channels[:-1]),
        kernels=tuple(kernels),
        pools=tuple(pools),
        norm=settings.norm or "group",
    )


def _anisotropic_levels(
    ratio: float, depth: int, patch_depth: int
) -> tuple[list[Triple], list[Triple]]:
    """Kernels and pools that treat Z like X only where voxels are about cubic."""
    kernels: list[Triple] = []
    pools: list[Triple] = []
    z_step, planes = ratio, patch_depth
    for level in range(depth):
        x_step = 2.0**level
        kernels.append((3 if patch_depth > 1 and z_step < 2 * x_step else 1, 3, 3))
        pool = planes >= 8 and z_step < 1.5 * x_step
        if level < depth - 1:
            pools.append((2 if pool else 1, 2, 2))
        if pool:
            z_step, planes = 2 * z_step, planes // 2
    return kernels, pools


def _explain(plan: TrainPlan, facts: Facts) -> str:
    z, y, x = plan.working_factor
    grid = "at full resolution" if (z, y, x) == (1, 1, 1) else f"on cells of {z}x{y}x{x} voxels"
    flat = sum(k[0] == 1 for k in plan.network.kernels)
    shape = f"slices {facts.anisotropy:.1f} times as far apart as pixels"
    kernels = "3D throughout" if flat == 0 else f"2D on the {flat} finest levels"
    extra = " with multiscale features" if plan.features else ""
    return f"U-Net {grid}{extra}, {kernels} ({shape}), patches of {plan.batch} x {plan.patch}"


def spec_from_plan(plan: TrainPlan, **known: Any) -> ModelSpec:
    """Describe a model as its file will."""
    return ModelSpec(
        network=plan.network,
        working_factor=plan.working_factor,
        subvoxel=plan.subvoxel,
        features=plan.features,
        patch=plan.patch,
        context=_context(plan),
        planar=plan.patch[0] == 1,
        mirrors=plan.mirrors,
        **known,
    )


def _context(plan: TrainPlan) -> Triple:
    """Halo on the working grid: most of what the network can see, not all of it."""
    z = 0 if plan.patch[0] == 1 else max(2, plan.patch[0] // 2)
    return z, 32, 32
