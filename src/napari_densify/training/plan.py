"""From wishes and facts to one frozen plan, by a pure function."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_densify.core.errors import InputError
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import (
    FeatureConfig,
    NetworkConfig,
    TrainSettings,
    Triple,
)
from napari_densify.inference.inputs import input_channels
from napari_densify.networks import valid_margin
from napari_densify.training.facts import Facts
from napari_densify.training.presets import Preset, find_preset
from napari_densify.training.recipe import (
    Recipe,
    preset_network,
    resolve_recipe,
    with_options,
)

__all__ = ["CELLS", "TrainPlan", "large_planes", "resolve_plan"]

DEFAULT_BUDGET_S = 120.0
CELLS: Triple = (1, 2, 2)
"""Cells that large planes are computed on; not along Z, as paint lies in single slices."""

# Slice distance over pixel size up to which planes along other axes teach the same
# network, and up to which it predicts them as well as Z slices.
_TURNED, _CUBIC = 3.0, 1.5
_WIDTH = 16
# Budget up to which a slow processor trains a narrower network: more than twice the steps,
# better on each of four volumes (benchmarks.quality, densify beside densify:base_channels=16).
_SHORT_S = 300.0
# Between strokes: benchmarks.quality --paint strokes --methods densify densify:affinity=0
# measures what it is worth. More of it wipes out membranes that are hardly painted.
_AFFINITY = 2.0
_LARGE = 256  # voxels a side from which on planes are computed on cells
# Distance over width of working cells up to which features look across slices, and how
# many slices there must be.
_CLOSE, _SOME = 4.0, 8
# How far: largest standard deviation along Z, in slices.
_LOOK = 2.0
_DEEP = 16  # slices from which on a plane across them shows something


class TrainPlan(Recipe):
    """A training, completely decided; stored with the model."""

    network: NetworkConfig
    preset: str = "auto"
    working_factor: Triple = (1, 1, 1)
    subvoxel: bool = False
    neighbours: int = 0
    neighbour_step: int = 1
    guidance: float = 0.0
    affinity: float = 0.0
    frequencies: bool = False
    forest: float = 0.0
    turns: bool = False
    triplanar: bool = False
    features: FeatureConfig | None = None
    members: int | None = 1
    patch: Triple = (16, 64, 64)
    batch: int = 4
    steps: int | None = None
    budget_s: float | None = DEFAULT_BUDGET_S
    seed: int = 0
    device: str = "cpu"
    precision: str = "auto"
    explanation: str = ""

    @property
    def slice_reach(self) -> int:
        """Slices beyond either end of a patch that its neighbours come from."""
        return self.neighbours * self.neighbour_step

    @property
    def margin(self) -> Triple:
        """Working cells (Z, Y, X) at a patch's border where nothing is learned.

        There valid convolutions give no logits, and 2.5D slices lack neighbours.
        """
        z, y, x = valid_margin(self.network)
        around = self.network.slice_context if self.patch[0] > 1 else 0
        return z + around, y, x


def resolve_plan(settings: TrainSettings, facts: Facts, init: ModelSpec | None = None) -> TrainPlan:
    """Decide everything that the user left open.

    Parameters
    ----------
    settings
        Wishes; None means undecided.
    facts
        What was measured on the data.
    init
        Model to start from: with the preset ``auto`` its network, grid and patch
        are kept where the user wishes nothing else.

    Raises
    ------
    InputError
        If wishes contradict each other, or the model to start from.
    """
    if settings.precision == "fp16":
        raise InputError(
            "small gradients are 0 in float16", where="precision", mend="train in bf16 or float32"
        )
    if settings.preset in ("auto", "fast"):
        settings = _fast(settings) if settings.preset == "fast" else settings
        recipe = resolve_recipe(settings)
        parts = _auto_parts(settings, facts)
        if init is not None and settings.preset == "auto":
            parts |= _inherited_parts(settings, facts, init)
    else:
        preset = find_preset(settings.preset)
        recipe = resolve_recipe(settings, preset)
        parts = _preset_parts(settings, preset, facts)
    own = settings.preset in ("auto", "fast")
    single = not own or init is not None
    single |= recipe.keep == "best" or recipe.early_stop is not None
    if recipe.keep == "best" and (settings.members or 1) > 1:
        raise InputError(
            f"keep=best picks the weights of one network, not of {settings.members}",
            where="--set members",
            mend="leave members out, or set keep=last",
        )
    plan = TrainPlan(
        **recipe.model_dump(),
        **parts,
        preset=settings.preset,
        # The best weights are kept as they were scored.
        frequencies=(own if settings.frequencies is None else settings.frequencies)
        and recipe.keep != "best",
        members=1 if single and settings.members is None else settings.members,
        steps=settings.steps,
        budget_s=None if settings.steps else settings.budget_s or DEFAULT_BUDGET_S,
        seed=settings.seed,
        device=facts.device,
        precision=settings.precision,
    )
    return plan.model_copy(update={"explanation": _explain(plan, facts)})


def _fast(settings: TrainSettings) -> TrainSettings:
    """Half as wide and one level less, where the user left that open."""
    wished = {"base_channels": settings.base_channels or 8, "depth": settings.depth or 3}
    return settings.model_copy(update=wished)


def _auto_parts(settings: TrainSettings, facts: Facts) -> dict[str, Any]:
    """Network, grid and patch, chosen from the data."""
    factor = settings.working_factor or _working_factor(facts)
    grid = tuple(-(-n // f) for n, f in zip(facts.shape, factor, strict=True))
    ratio = facts.anisotropy * factor[0] / factor[2]
    patch = settings.patch or _patch(grid)
    features = _features(settings, facts, ratio) if settings.features is not False else None
    subvoxel = bool(settings.subvoxel) if settings.subvoxel is not None else factor != (1, 1, 1)
    network = _network(settings, facts, factor, ratio, patch, subvoxel, features)
    return {
        "network": with_options(network, "network", settings),
        "working_factor": factor,
        "subvoxel": subvoxel,
        "neighbours": _neighbours(settings, facts, patch),
        "neighbour_step": settings.neighbour_step or _neighbour_step(facts, factor),
        "guidance": _guidance(settings, features),
        "affinity": _AFFINITY if settings.affinity is None else settings.affinity,
        "forest": _forest(settings, features),
        **_other_axes(facts, patch),
        "features": features,
        "patch": patch,
        "batch": settings.batch or _batch(patch),
    }


def _inherited_parts(settings: TrainSettings, facts: Facts, init: ModelSpec) -> dict[str, Any]:
    """Network, grid and patch of an earlier model, for these channels and classes."""
    _require_size(settings, init.network)
    factor = settings.working_factor or init.working_factor
    subvoxel = init.subvoxel if settings.subvoxel is None else settings.subvoxel
    ratio = facts.anisotropy * factor[0] / factor[2]
    wished = settings.features or settings.feature_depth is not None
    features = _features(settings, facts, ratio) if wished else init.features
    features = None if settings.features is False else features
    neighbours = init.neighbours if settings.neighbours is None else settings.neighbours
    patch = settings.patch or init.patch
    network = init.network.model_copy(
        update={
            "members": 1,
            "in_channels": input_channels(facts.channels, factor, subvoxel, features, neighbours),
            "out_channels": facts.classes * (int(np.prod(factor)) if subvoxel else 1),
            "norm": settings.norm or init.network.norm,
        }
    )
    return {
        "network": with_options(network, "network", settings),
        "working_factor": factor,
        "subvoxel": subvoxel,
        "neighbours": neighbours,
        "neighbour_step": settings.neighbour_step or init.neighbour_step,
        "guidance": _guidance(settings, features),
        "forest": _forest(settings, features),
        **_other_axes(facts, patch),
        "features": features,
        "patch": patch,
        "batch": settings.batch or _batch(patch),
    }


def _require_size(settings: TrainSettings, network: NetworkConfig) -> None:
    """Refuse another width or depth than that of the network to start from."""
    sizes = {"base_channels": network.encoder[0][0], "depth": len(network.encoder)}
    for name, has in sizes.items():
        if getattr(settings, name) not in (None, has):
            raise InputError(
                f"{name}={getattr(settings, name)}, but the model to start from has {has}",
                where="--set",
                mend=f"leave {name} out, or train without a model to start from",
            )


def _preset_parts(settings: TrainSettings, preset: Preset, facts: Facts) -> dict[str, Any]:
    """Network and patch of a paper, at full resolution unless the user wishes otherwise."""
    factor = settings.working_factor or (1, 1, 1)
    subvoxel = bool(settings.subvoxel)
    features = FeatureConfig() if settings.features else None
    network, patch = preset_network(
        settings,
        preset,
        in_channels=input_channels(facts.channels, factor, subvoxel, features),
        out_channels=facts.classes * (int(np.prod(factor)) if subvoxel else 1),
    )
    return {
        "network": network,
        "working_factor": factor,
        "subvoxel": subvoxel,
        "features": features,
        "patch": patch,
        "batch": settings.batch or preset.batch,
    }


def large_planes(shape: Triple) -> bool:
    """Whether planes are large enough to be computed on cells."""
    return min(shape[1:]) >= _LARGE


def _working_factor(facts: Facts) -> Triple:
    if facts.fine or not large_planes(facts.shape):
        return 1, 1, 1
    return CELLS


def _patch(grid: tuple[int, ...]) -> Triple:
    # Paint lies in slices: a patch of one slice is annotated throughout, so that a
    # step learns several times more than one of a block with a painted slice in it.
    side = 128 if min(grid[1:]) >= 128 else 96
    return 1, side, side


def _batch(patch: Triple) -> int:
    return max(1, round(131_072 / int(np.prod(patch))))


def _neighbour_step(facts: Facts, factor: Triple) -> int:
    """Far enough apart to show something new: about a pixel of the working grid."""
    return max(1, round(factor[2] / facts.anisotropy))


def _features(settings: TrainSettings, facts: Facts, ratio: float) -> FeatureConfig:
    """Features that look across slices, where these are close and there are some."""
    depth = settings.feature_depth
    if depth is None:
        depth = _LOOK if facts.shape[0] >= _SOME and ratio <= _CLOSE else 0.0
    return FeatureConfig(depth=depth, anisotropy=round(ratio, 3) if depth else 1.0)


def _guidance(settings: TrainSettings, features: FeatureConfig | None) -> float:
    if features is None or settings.augment not in (None, "none", "light"):
        return 0.0  # nothing to learn a forest from, or patches that it cannot follow
    return 1.0 if settings.guidance is None else settings.guidance


def _other_axes(facts: Facts, patch: Triple) -> dict[str, bool]:
    """Whether planes along other axes are slices to learn from, and to predict."""
    deep = patch[0] == 1 and facts.shape[0] >= _DEEP
    return {
        "turns": deep and facts.anisotropy < _TURNED,
        "triplanar": deep and facts.anisotropy < _CUBIC,
    }


def _forest(settings: TrainSettings, features: FeatureConfig | None) -> float:
    """Weight of a forest beside the network: this one gained, or cost nothing, on all volumes."""
    if features is None:
        return 0.0
    return 0.35 if settings.forest is None else settings.forest


def _neighbours(settings: TrainSettings, facts: Facts, patch: Triple) -> int:
    """Slices on either side worth looking at: none if they have nothing in common."""
    if patch[0] > 1 or facts.shape[0] == 1:
        return 0
    if settings.neighbours is not None:
        return settings.neighbours
    return 0 if facts.anisotropy > 16 else 1 if facts.anisotropy > 4 else 2


def _network(
    settings: TrainSettings,
    facts: Facts,
    factor: Triple,
    ratio: float,
    patch: Triple,
    subvoxel: bool,
    features: FeatureConfig | None,
) -> NetworkConfig:
    depth, base = settings.depth or 4, settings.base_channels or _width(settings, facts)
    kernels, pools = _anisotropic_levels(ratio, depth, patch[0])
    channels = [base * 2**level for level in range(depth)]
    outputs = facts.classes * (int(np.prod(factor)) if subvoxel else 1)
    return NetworkConfig(
        in_channels=input_channels(
            facts.channels, factor, subvoxel, features, _neighbours(settings, facts, patch)
        ),
        out_channels=outputs,
        encoder=tuple((c, c) for c in channels),
        decoder=tuple((c, c) for c in channels[:-1]),
        kernels=tuple(kernels),
        pools=tuple(pools),
        norm=settings.norm or "batch",
    )


def _width(settings: TrainSettings, facts: Facts) -> int:
    """Channels of the finest level: half of them where twice the steps are worth more."""
    short = settings.steps is None and (settings.budget_s or DEFAULT_BUDGET_S) <= _SHORT_S
    return _WIDTH // 2 if facts.slow and short else _WIDTH


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
    shape = f"slices {facts.anisotropy:.1f} times as far apart as pixels"
    kernels = _dimensions(plan)
    extra = " with multiscale features" if plan.features else ""
    extra += " across slices" if plan.features and not plan.features.planar else ""
    name = "U-Net" if plan.preset == "auto" else f"U-Net ({plan.preset})"
    if plan.preset not in ("auto", "fast"):
        name = find_preset(plan.preset).title
    several = {None: ", as many networks as there is time for, averaged", 1: ""}
    count = several.get(plan.members, f", {plan.members} networks averaged")
    patches = f"patches of {plan.batch} x {plan.patch}"
    return f"{name} {grid}{extra}, {kernels} ({shape}), {patches}{count}"


def _dimensions(plan: TrainPlan) -> str:
    flat = sum(k[0] == 1 for k in plan.network.kernels)
    if plan.neighbours:
        return f"slice by slice, each seen with {plan.neighbours} slices on either side"
    if flat == len(plan.network.kernels):
        return "slice by slice"
    return f"2D on the {flat} finest levels" if flat else "3D throughout"
