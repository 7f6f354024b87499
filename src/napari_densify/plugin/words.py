"""What scores and estimates say, in the dock's words: pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from napari_densify.core.durations import say_duration
from napari_densify.core.events import HeldOutScore, TrainingCost
from napari_densify.core.labels import ClassTable
from napari_densify.core.settings import TrainSettings
from napari_densify.core.sizes import say_bytes

__all__ = [
    "say_copy",
    "say_estimate",
    "say_left_out",
    "say_prediction",
    "say_score",
]

FEWEST_VOXELS = 50
"""Scored voxels of a class below which its Dice is chance."""


def say_score(score: HeldOutScore | None, classes: ClassTable) -> str:
    """Held-out Dice with its interval, or that there is too little paint to tell.

    Parameters
    ----------
    score
        Latest score; None gives an empty line.
    classes
        Class table, for names.
    """
    if score is None:
        return ""
    few = score.voxels < FEWEST_VOXELS * max(1, len(score.dice))
    if math.isnan(score.mean_dice) or few:
        return "Held-out Dice: too little held-out paint to tell."
    text = f"Held-out Dice {score.mean_dice:.2f}"
    if score.interval is not None:
        text += f" ({score.interval[0]:.2f} to {score.interval[1]:.2f} with 90 % confidence)"
    rows = [f"{classes.name(v)} {d:.2f}" for v, d in score.dice.items()]
    text = f"{text}: {', '.join(rows)}." if len(rows) > 1 else f"{text}."
    if score.interval is None:
        slices = len(score.slices) or 1
        text += f" Of {slices} slice{'s' if slices > 1 else ''} only: too few to say how sure."
    return text


def say_left_out(dice: Mapping[int, float], slices: Sequence[int]) -> str:
    """Scores of a leave-one-slice-out, as far as it is.

    Parameters
    ----------
    dice
        Mean Dice of each slice that was left out so far.
    slices
        Slices that are left out in all.
    """
    known = [d for d in dice.values() if math.isfinite(d)]
    if not known:
        return ""
    mean = sum(known) / len(known)
    text = f"Left out one at a time ({len(dice)} of {len(slices)} slices): mean Dice {mean:.2f}"
    if len(known) > 1:
        text += f", {min(known):.2f} to {max(known):.2f}"
    worst = min(dice, key=lambda z: dice[z] if math.isfinite(dice[z]) else 2.0)
    return f"{text}. Worst on slice {worst}." if len(known) > 1 else f"{text}."


def say_estimate(found: Mapping[str, Any], settings: TrainSettings) -> str:
    """Say what a training and a prediction will take, before they begin; empty if unknown.

    Parameters
    ----------
    found
        What the engine measured: ``estimate`` and ``memory`` of an information request.
    settings
        Wishes for the training.
    """
    estimate, memory = found.get("estimate") or {}, found.get("memory") or {}
    if not estimate:
        return ""
    try:
        cost = TrainingCost.model_validate(estimate.get("train") or {})
    except ValidationError:  # an engine of another version
        cost = TrainingCost()
    text = f"{_say_training(cost, settings, estimate.get('device', ''))}."
    if estimate.get("predict_s") is not None:
        text += f" The whole volume is then predicted in about {_about(estimate['predict_s'])}"
        text += f" with {say_bytes(memory['predict_bytes'])}" if "predict_bytes" in memory else ""
        text += "."
    if cost.resolution:
        text += f" Working resolution: {cost.resolution}."
    return text if cost.fits else f"⚠ Memory is short. {text}"


def _say_training(cost: TrainingCost, settings: TrainSettings, device: str) -> str:
    if settings.steps is not None:
        text = f"Trains {settings.steps:,} steps"
        if cost.step_seconds:
            text += f" in about {_about(cost.step_seconds * settings.steps)}"
    elif settings.budget_s is not None:
        text = f"Trains for {say_duration(settings.budget_s)}"
    else:
        text = "Trains"
    if cost.device or device:
        text += f" on {cost.device or device}"
    if cost.host_bytes:
        text += f" with about {say_bytes(cost.host_bytes)} of memory"
    if cost.device_bytes:
        text += f" and {say_bytes(cost.device_bytes)} on the device"
    return text


def say_prediction(found: Mapping[str, Any], voxels: int, arrays: int, free: int) -> str:
    """Say what a prediction takes, before it begins.

    Parameters
    ----------
    found
        As for :func:`say_estimate`; empty while nothing is measured.
    voxels
        Of the region that is predicted.
    arrays
        Bytes that are written for each voxel, before compression.
    free
        Bytes that are free where it is written.
    """
    estimate, memory = found.get("estimate") or {}, found.get("memory") or {}
    parts = [f"{voxels / 1e6:.3g} million voxels"]
    if estimate.get("predict_s") is not None and memory.get("labels_bytes"):
        share = voxels / memory["labels_bytes"]
        parts.append(f"about {_about(estimate['predict_s'] * share)} on {estimate['device']}")
    if memory.get("predict_bytes"):
        parts.append(f"{say_bytes(memory['predict_bytes'])} of memory")
    return f"{', '.join(parts)}; at most {_on_disk(voxels * arrays, free)}."


def say_copy(count: int, free: int) -> str:
    """Say that an image in memory is copied into the project, and whether there is room."""
    return f"The image is in memory: it is copied into the project, {_on_disk(count, free)}."


def _on_disk(count: int, free: int) -> str:
    room = f", but only {say_bytes(free)} are free" if count > free else ""
    return f"{say_bytes(count)} on disk" + (room or f" of {say_bytes(free)} that are free")


def _about(seconds: float) -> str:
    """Duration without more digits than an estimate has."""
    if seconds < 10:
        return say_duration(max(1, seconds))
    unit = 10 if seconds < 600 else 60
    return say_duration(round(seconds / unit) * unit)
