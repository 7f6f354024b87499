"""Fine-tuning: what a new training takes over from an earlier model, and what differs."""

from __future__ import annotations

import math
from typing import Any

from napari_densify.classical.features import feature_names
from napari_densify.core.model import ModelSpec
from napari_densify.inference.differences import intensity_difference
from napari_densify.networks import LoadedModel

__all__ = ["differences", "match_inputs"]

# Below this factor a difference in voxel size does no harm that augmentation doesn't cover.
_SIZE_TOLERANCE = 1.25


def match_inputs(old: ModelSpec, new: ModelSpec) -> list[int | None]:
    """For each input channel of the new network the old one that means the same."""
    known = {name: index for index, name in enumerate(_channel_names(old))}
    return [known.get(name) for name in _channel_names(new)]


def _channel_names(spec: ModelSpec) -> list[tuple[Any, ...]]:
    """Name each input channel, in the order of ``inference.inputs.network_input``."""
    cells = math.prod(spec.working_factor) if spec.subvoxel else 1
    slices = [i * spec.neighbour_step for i in range(-spec.neighbours, spec.neighbours + 1)]
    channels = range(spec.image_channels)
    names: list[tuple[Any, ...]] = [
        ("image", z, c, cell) for z in slices for c in channels for cell in range(cells)
    ]
    features = feature_names(spec.features) if spec.features else []
    return names + [("feature", c, name) for c in channels for name in features]


def differences(init: LoadedModel, spec: ModelSpec, fresh: list[str]) -> list[str]:
    """Say what a user should know before fine-tuning goes on.

    Parameters
    ----------
    init
        Earlier model.
    spec
        Model to be trained.
    fresh
        Weights that the earlier model could not give.
    """
    found = []
    if fresh:
        found.append(f"{len(fresh)} weights of the first model did not fit and start afresh")
    old, new = init.spec.spacing, spec.spacing
    if init.spec.spacing_known and spec.spacing_known:
        ratios = [b / a for a, b in zip(old, new, strict=True)]
        if any(max(r, 1 / r) > _SIZE_TOLERANCE for r in ratios):
            grid = zip(init.spec.working_factor, ratios, strict=True)
            factors = ",".join(str(max(1, round(w / r))) for w, r in grid)
            found.append(
                f"voxels of {_size(new)} nm, but the first model was trained on {_size(old)} nm; "
                f"the setting working_factor={factors} brings them closer"
            )
    if spec.intensity and (said := intensity_difference(init.spec.intensity, spec.intensity)):
        found.append(f"{said}: they are rescaled to the same mean and deviation")
    lost = {c.name for c in init.spec.classes.classes} - {c.name for c in spec.classes.classes}
    if lost:
        found.append(f"classes of the first model without paint here: {', '.join(sorted(lost))}")
    return found


def _size(spacing: tuple[float, float, float]) -> str:
    return " x ".join(f"{s:g}" for s in spacing)
