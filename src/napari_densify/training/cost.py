"""What a training will take and use, told before its first step."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import psutil
import torch

from napari_densify.annotations import Annotations
from napari_densify.core.events import TrainingCost
from napari_densify.core.settings import NetworkConfig
from napari_densify.inference.device import autocast_dtype, describe_device
from napari_densify.networks import build_network, count_parameters
from napari_densify.training.facts import Facts
from napari_densify.training.plan import TrainPlan, large_planes

__all__ = ["estimate_cost", "explain_resolution", "free_memory", "painted_slices"]

# Of each convolution a training keeps its output, the normalised and the activated one.
_KEPT = 3
# Weights, their gradients, momentum and running average.
_COPIES = 4
_HALF, _FLOAT = 2, 4
# Python, torch and the libraries, before anything is read.
_BASE_BYTES = 400_000_000


def estimate_cost(
    plan: TrainPlan, facts: Facts, painted: int, *, device: torch.device, measure: bool = False
) -> TrainingCost:
    """Estimate memory and time of a training.

    Parameters
    ----------
    plan
        What was decided.
    facts
        What was measured on the data.
    painted
        Painted slices.
    device
        Where it will run.
    measure
        Time one step on made-up voxels: a training by steps has no other measure, and an
        idle engine warms up by it.
    """
    dtype = autocast_dtype(device, plan.precision)
    step = _step_bytes(plan, _FLOAT if dtype is None else _HALF)
    crops = _crop_bytes(plan, facts, painted)
    on_host = device.type == "cpu"
    a_step = _step_seconds(plan, device, dtype) if measure or plan.steps else None
    seconds = plan.budget_s
    if plan.steps is not None and a_step is not None:
        seconds = plan.steps * a_step
    return TrainingCost(
        device=describe_device(device),
        precision=str(dtype or torch.float32).removeprefix("torch."),
        host_bytes=_BASE_BYTES + crops + (step if on_host else 0),
        device_bytes=0 if on_host else step,
        free_host_bytes=free_memory(torch.device("cpu")),
        free_device_bytes=None if on_host else free_memory(device),
        seconds=seconds,
        step_seconds=a_step,
        resolution=explain_resolution(plan, facts),
    )


def explain_resolution(plan: TrainPlan, facts: Facts) -> str:
    """Say why the network works on this grid."""
    _, height, width = facts.shape
    z, y, x = plan.working_factor
    cells = f"cells of {z}x{y}x{x} voxels"
    if plan.preset not in ("auto", "fast"):
        return "full resolution, as published" if (z, y, x) == (1, 1, 1) else f"{cells}, as set"
    if (z, y, x) == (1, 1, 1):
        if facts.fine:
            return "full resolution: cells of 2x2 voxels would blur what tells the classes apart"
        if large_planes(facts.shape):
            return "full resolution, as set"
        return f"full resolution: planes of {height}x{width} are small enough to learn at once"
    kept = ", and every voxel is predicted all the same" if plan.subvoxel else ""
    along = " along Z nothing is merged, because paint lies in single slices;" if z == 1 else ""
    return (
        f"{cells}: planes of {height}x{width} are learned in a fraction of the time;{along} "
        f"a patch shows {plan.patch[1] * y}x{plan.patch[2] * x} voxels{kept}"
    )


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where the system doesn't tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available) if device.type == "cpu" else None


def painted_slices(annotations: Sequence[Annotations]) -> int:
    """Painted Z slices of all volumes."""
    return sum(len(a.slice_counts()) for a in annotations)


def _step_bytes(plan: TrainPlan, width: int) -> int:
    """Bytes of activations, weights and optimiser during one step."""
    cells = plan.batch * math.prod(plan.patch)
    network = plan.network
    kept = network.in_channels * cells + network.out_channels * cells * 2
    for level, channels in enumerate(network.encoder):
        share = _share(network, level)
        decoder = network.decoder[level] if level < len(network.decoder) else ()
        joined = 2 * channels[-1] if decoder else 0
        kept += round(cells * share * (_KEPT * (sum(channels) + sum(decoder)) + joined))
    with torch.device("meta"):
        parameters = count_parameters(build_network(network))
    return kept * width + parameters * _FLOAT * _COPIES


def _share(network: NetworkConfig, level: int) -> float:
    return 1 / math.prod(math.prod(pool) for pool in network.pools[:level])


def _crop_bytes(plan: TrainPlan, facts: Facts, painted: int) -> int:
    """Bytes of what lies around paint: image, labels, features and a forest's opinion."""
    depth, height, width = facts.shape
    thick = plan.patch[0] + 2 * plan.slice_reach
    slices = min(depth + thick, painted * (2 * thick - 1))
    cells = math.prod(plan.working_factor)
    plane = (height + plan.patch[1]) * (width + plan.patch[2])
    features = plan.network.in_channels if plan.features else 0
    shares = facts.classes if plan.guidance > 0 else 0
    fine = plane * slices * (facts.channels * _HALF + _HALF)
    return fine + plane * slices * (features + shares) * _HALF // cells


def _step_seconds(plan: TrainPlan, device: torch.device, dtype: torch.dtype | None) -> float:
    """Time of one step on made-up input, from the second of two: the first one warms up."""
    network = build_network(plan.network).to(device).train()
    shape = (1, plan.network.in_channels, *plan.patch)
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            found = network(torch.zeros(shape, device=device))
        levels = found if isinstance(found, list) else [found]
        torch.autograd.backward(sum((level.float().mean() for level in levels), torch.zeros(())
                                    .to(device)))  # fmt: skip
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds = time.perf_counter() - began
    return seconds * plan.batch if device.type == "cpu" else seconds
