"""What rounds of training tell when they are put in a row: pure functions of their scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from napari_densify.plugin.jobs import TrainingLog
from napari_densify.project import Round

__all__ = ["LearningPoint", "describe_trend", "learning_points", "row_of"]

# Held-out Dice of two trainings on the same paint differs by about as much.
_NOISE = 0.01


@dataclass(frozen=True)
class LearningPoint:
    """How good a round was, for how much paint."""

    name: str
    slices: int
    dice: float


def held_out_dice(item: Round) -> float | None:
    """Mean Dice on held-out paint at the end of a round; None where none was scored."""
    found = item.scores.get("held_out")
    dice = found.get("mean_dice") if isinstance(found, dict) else None
    try:
        value = float(dice) if dice is not None else math.nan
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def row_of(item: Round) -> tuple[str, str, str, str]:
    """Name, Dice, painted slices and local time of a round, as text."""
    dice, log = held_out_dice(item), TrainingLog.from_scores(item.scores)
    return (
        item.name,
        "–" if dice is None else f"{dice:.2f}",
        str(log.slices) if log.slices else "–",
        _local_time(item.created),
    )


def _local_time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%d %b %H:%M")
    except ValueError:
        return "–"


def learning_points(rounds: Sequence[Round]) -> list[LearningPoint]:
    """Return rounds that were scored and know how much paint they had, fewest slices first."""
    points = []
    for item in rounds:
        dice, log = held_out_dice(item), TrainingLog.from_scores(item.scores)
        if dice is not None and log.slices:
            points.append(LearningPoint(item.name, log.slices, dice))
    return sorted(points, key=lambda p: p.slices)


def describe_trend(points: Sequence[LearningPoint]) -> str:
    """Say whether more paint has helped so far; empty before there is anything to compare."""
    best: dict[int, float] = {}
    for point in points:
        best[point.slices] = max(point.dice, best.get(point.slices, 0.0))
    if len(best) < 2:
        return ""
    before, now = sorted(best)[-2:]
    gain = best[now] - best[before]
    text = f"From {before} to {now} painted slices: held-out Dice {best[before]:.2f} to "
    text += f"{best[now]:.2f}. "
    if gain > _NOISE:
        return text + "More paint would probably help."
    if gain < -_NOISE:
        return text + "It fell: look for mistakes in the new paint, or train longer."
    return text + "More paint like this would hardly help."
