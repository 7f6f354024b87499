"""What scores and estimates say, in the dock's words: pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from napari_densify.core.events import HeldOutScore
from napari_densify.core.labels import ClassTable
from napari_densify.core.settings import TrainSettings
from napari_densify.plugin.jobs import say_duration

__all__ = ["say_bytes", "say_estimate", "say_left_out", "say_score"]

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
        text += f" ({score.interval[0]:.2f} to {score.interval[1]:.2f} with 95 % confidence)"
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
    parts = []
    if settings.steps is not None:
        parts.append(f"Trains {settings.steps} steps")
    elif settings.budget_s is not None:
        parts.append(f"Trains for {say_duration(settings.budget_s)}")
    if estimate.get("device"):
        parts.append(f"on {estimate['device']}")
    text = " ".join(parts)
    if estimate.get("predict_s") is not None:
        text += f"; the whole volume is then predicted in about {_about(estimate['predict_s'])}"
    if memory.get("predict_bytes"):
        text += f" and {say_bytes(memory['predict_bytes'])} of memory"
    return f"{text}." if text else ""


def _about(seconds: float) -> str:
    """Duration without more digits than an estimate has."""
    if seconds < 10:
        return say_duration(max(1, seconds))
    unit = 10 if seconds < 600 else 60
    return say_duration(round(seconds / unit) * unit)


def say_bytes(count: float) -> str:
    """Size as people say it: ``3.1 MB``."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
