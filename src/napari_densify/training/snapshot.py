"""A training interrupted and taken up again: everything that the next step depends on.

With ``steps`` instead of a time budget, the same threads and the same paint, a
resumed training ends bit for bit where an uninterrupted one would (on CPUs).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from napari_densify.core.errors import InputError
from napari_densify.core.events import HeldOutScore
from napari_densify.core.files import atomic_write_bytes
from napari_densify.training.sampler import PatchSampler
from napari_densify.training.state import TrainingState

__all__ = ["load_snapshot", "save_snapshot", "snapshot_path", "stored_precision"]

_KEY = "napari_densify_training"


def snapshot_path(model: Path) -> Path:
    """Where the state of an unfinished training is kept: beside its model."""
    return model.with_name(f"{model.stem}.resume.safetensors")


def stored_precision(path: Path) -> str | None:
    """Precision that an unfinished training went in; None if there is none to be read."""
    try:
        facts, _ = _read(path)
    except InputError:
        return None
    return str(facts["plan"]["precision"])


def save_snapshot(
    path: Path,
    state: TrainingState,
    sampler: PatchSampler,
    clock: dict[str, float] | None = None,
) -> None:
    """Write the state of a training, whole or not at all.

    Parameters
    ----------
    clock
        State of its clock, where it goes by time.

    Raises
    ------
    OSError
        If the file cannot be written; an old one is then untouched.
    """
    optimiser = state.optimiser.state_dict()["state"]
    tensors = {f"network.{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.averaged.state_dict().items()}
    for index, weights in enumerate(state.finished):
        tensors |= {f"finished.{index}.{k}": v for k, v in weights.items()}
    tensors |= {f"best.{k}": v for k, v in state.best.weights.items()}
    scalars: dict[str, Any] = {}
    for index, row in optimiser.items():
        for name, value in row.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimiser.{index}.{name}"] = value
            else:
                scalars[f"{index}.{name}"] = value
    tensors["random.torch"] = torch.get_rng_state()
    tensors["random.augment"] = state.generator.get_state()
    facts = {
        "step": state.step,
        "member_step": state.member_step,
        "finished": len(state.finished),
        "schedule": state.schedule.state(),
        "damping": state.damping,
        "scalars": scalars,
        "sampler": sampler.random_state,
        "clock": clock,
        "best": state.best.score and state.best.score.model_dump(mode="json"),
        "plan": state.plan.model_dump(mode="json", exclude={"explanation"}),
    }
    plain = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    atomic_write_bytes(path, safetensors.torch.save(plain, {_KEY: json.dumps(facts)}))


def load_snapshot(
    path: Path, state: TrainingState, sampler: PatchSampler
) -> dict[str, float] | None:
    """Put a fresh training where :func:`save_snapshot` left an earlier one.

    Returns
    -------
    State of its clock, if it was saved.

    Raises
    ------
    InputError
        If there is no such state, it is damaged, or belongs to other settings.
    """
    facts, tensors = _read(path)
    if facts["plan"] != state.plan.model_dump(mode="json", exclude={"explanation"}):
        raise InputError(
            "the unfinished training had other settings or other data",
            where=str(path),
            mend="resume with the same options and paint, or start afresh without resuming",
        )
    state.finished = [_part(tensors, f"finished.{i}.") for i in range(facts["finished"])]
    state.network.load_state_dict(_part(tensors, "network."))
    for name, value in _part(tensors, "average.").items():
        state.averaged.state_dict()[name].copy_(value)
    if facts["best"]:
        score = HeldOutScore.model_validate(facts["best"])
        state.best.offer(score, _part(tensors, "best."))
    rows: dict[int, dict[str, Any]] = {}
    for name, tensor in _part(tensors, "optimiser.").items():
        index, key = name.split(".", 1)
        rows.setdefault(int(index), {})[key] = tensor
    for name, scalar in facts["scalars"].items():
        index, key = name.split(".", 1)
        rows.setdefault(int(index), {})[key] = scalar
    groups = state.optimiser.state_dict()["param_groups"]
    state.optimiser.load_state_dict({"state": rows, "param_groups": groups})
    state.step, state.member_step = facts["step"], facts["member_step"]
    state.schedule.restore(facts["schedule"])
    state.damping = facts.get("damping", 1.0)
    if state.damping < 1:  # its numbers had run away: not again in low precision
        state.dtype = None
    state.generator.set_state(tensors["random.augment"])
    torch.set_rng_state(tensors["random.torch"])
    sampler.random_state = facts["sampler"]
    clock: dict[str, float] | None = facts.get("clock")
    return clock


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    mend = "start afresh without resuming"
    if not path.exists():
        raise InputError("no unfinished training to resume", where=str(path), mend=mend)
    try:
        with safe_open(str(path), framework="pt") as stream:
            metadata = stream.metadata() or {}
            names = list(stream.keys())
            tensors = {name: stream.get_tensor(name).clone() for name in names}
        facts: dict[str, Any] = json.loads(metadata[_KEY])
    except (SafetensorError, OSError, KeyError, ValueError):
        raise InputError("not the state of a training", where=str(path), mend=mend) from None
    return facts, tensors


def _part(tensors: dict[str, torch.Tensor], head: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(head): v for k, v in tensors.items() if k.startswith(head)}
