"""How long a volume takes and how much memory: measured with the network it would get."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy.typing as npt

from napari_densify.core.blocks import Region, region_shape
from napari_densify.core.control import JobControl
from napari_densify.core.labels import ClassTable
from napari_densify.core.settings import PredictSettings, TrainSettings
from napari_densify.core.volume import Volume

__all__ = ["estimate_prediction", "middle", "reading_speed"]

# Enough for a figure that is right within a third; about a second on two cores.
_PREDICTED_VOXELS = 200_000
_READ_VOXELS = 4_000_000
# Painted slices for which the memory of a training is told.
_PAINTED = 5


class _Nowhere:
    """Takes the blocks of a trial and forgets them."""

    def write(self, region: Region, array: npt.NDArray[Any]) -> None:
        """Forget a block."""

    def done(self, index: tuple[int, int, int]) -> None:
        """Forget that it was one."""

    def is_done(self, index: tuple[int, int, int]) -> bool:
        """Nothing is ever done."""
        return False


def reading_speed(volume: Volume) -> float:
    """Voxels a second, from reading a box in the middle."""
    part = middle(volume.shape, _READ_VOXELS)
    start = time.perf_counter()
    volume.read(part)
    return math.prod(region_shape(part)) / max(time.perf_counter() - start, 1e-6)


def estimate_prediction(volume: Volume, *, ahead: bool = False) -> dict[str, Any]:
    """Predict a small box with an untrained network of the kind this volume would get.

    Parameters
    ----------
    volume
        What is to be predicted.
    ahead
        A training will follow: what it has to know of this machine is found out meanwhile.

    Returns
    -------
    ``predict_s`` for the whole volume, ``predict_bytes`` of a block at work,
    ``device``, ``plan`` (why this network) and ``train`` (cost of a training).
    """
    from napari_densify.inference.device import compute_budget, describe_device, select_device
    from napari_densify.inference.tiling import predicted_bytes
    from napari_densify.inference.volume import Outputs, predict_volume
    from napari_densify.networks import build_network
    from napari_densify.training.cost import estimate_cost
    from napari_densify.training.facts import gather_facts
    from napari_densify.training.plan import resolve_plan
    from napari_densify.training.rehearsal import rehearse_ahead
    from napari_densify.training.spec import spec_from_plan

    device = select_device()
    facts = gather_facts([volume], {1: 1, 2: 1}, device.type)
    plan = resolve_plan(TrainSettings(), facts)
    spec = spec_from_plan(
        plan,
        classes=ClassTable.default(),
        spacing=volume.spacing,
        spacing_known=volume.spacing_known,
        image_channels=volume.channels,
    )
    network = build_network(plan.network).eval()
    part = middle(volume.shape, _PREDICTED_VOXELS)
    text = ",".join(f"{side.start}:{side.stop}" for side in part)
    start = time.perf_counter()
    events = predict_volume(
        network, spec, volume, Outputs(_Nowhere()), PredictSettings(region=text, mirrors=1),
        control=JobControl(),
    )  # fmt: skip
    for _ in events:
        pass
    seconds = time.perf_counter() - start
    cost = estimate_cost(plan, facts, _PAINTED, device=device, measure=True)
    if ahead:
        rehearse_ahead(plan, device)
    return {
        "predict_s": round(seconds * math.prod(volume.shape) / math.prod(region_shape(part)), 3),
        "predict_bytes": predicted_bytes(spec, volume.shape, compute_budget(device)),
        "device": describe_device(device),
        "plan": plan.explanation,
        "train": cost,
    }


def middle(shape: tuple[int, int, int], voxels: int) -> Region:
    """Cut a box of at most about so many voxels out of the middle, whole slices first."""
    depth, height, width = shape
    edge = min(max(height, width), 1024, max(64, math.isqrt(voxels // min(depth, 4))))
    y, x = min(height, edge), min(width, edge)
    z = min(depth, max(1, voxels // (y * x)))
    starts = ((depth - z) // 2, (height - y) // 2, (width - x) // 2)
    a, b, c = (slice(s, s + n) for s, n in zip(starts, (z, y, x), strict=True))
    return a, b, c
