"""What the viewer knows of a job under way, from its events alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from napari_densify.core.durations import say_duration
from napari_densify.core.events import Event, HeldOutScore, Plan, Progress, Started, StepDone

__all__ = ["Job", "TrainingLog", "update_job"]

TITLES = {
    "train": "Training",
    "predict": "Predicting",
    "compare": "Comparing",
    "classical": "Classical method",
    "suggest": "Looking for the next slice",
    "instances": "Separating objects",
    "export": "Exporting",
    "leave_out": "Leaving slices out",
    "augment": "Drawing patches",
}

CURVES = ("seconds", "loss", "score_seconds", "dice")


@dataclass(frozen=True)
class Job:
    """A job that the engine was asked to do and has not finished.

    ``project`` is the folder that it works on: another one may be open before it ends.
    """

    id: str
    kind: str
    fraction: float | None = None
    eta_s: float | None = None
    message: str = ""
    paused: bool = False
    stopping: bool = False
    project: str = ""

    @property
    def title(self) -> str:
        """What the job is called in the activity dock and the status line."""
        return TITLES.get(self.kind, self.kind.capitalize())

    @property
    def status(self) -> str:
        """One line: what, how far, how much longer."""
        if self.stopping:
            return f"{self.title}: stopping, keeping what was done…"
        if self.paused:
            return f"{self.title} paused"
        parts = [self.title if self.fraction is None else f"{self.title} {self.fraction:.0%}"]
        if self.eta_s is not None:
            parts.append(f"{say_duration(self.eta_s)} left")
        if self.message.casefold() not in ("", self.title.casefold()):
            parts.append(self.message)
        return " · ".join(parts)


@dataclass
class TrainingLog:
    """What a training said so far: losses, held-out Dice, and its explanation.

    ``slices`` and ``voxels`` are how much paint it learned from.
    """

    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    score_seconds: list[float] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)
    latest: HeldOutScore | None = None
    explanation: str = ""
    slices: int = 0
    voxels: int = 0

    @classmethod
    def from_scores(cls, scores: Mapping[str, Any]) -> TrainingLog:
        """Read back what :meth:`summary` wrote; what is missing or damaged stays empty."""
        found = scores.get("curves")
        curves = found if isinstance(found, dict) else {}
        numbers = {name: _numbers(curves.get(name)) for name in CURVES}
        painted = scores.get("painted")
        painted = painted if isinstance(painted, dict) else {}
        counts = {name: int(painted.get(name) or 0) for name in ("slices", "voxels")}
        return cls(**numbers, **counts)

    def summary(self) -> dict[str, Any]:
        """Curves and amount of paint, as they are kept with the round."""
        return {
            "curves": {name: getattr(self, name) for name in CURVES},
            "painted": {"slices": self.slices, "voxels": self.voxels},
        }

    def add(self, event: Event) -> bool:
        """Take up an event; return whether there is something new to draw."""
        match event:
            case StepDone():
                self.seconds.append(event.elapsed_s)
                self.loss.append(event.loss)
            case HeldOutScore():
                self.latest = event
                self.score_seconds.append(event.elapsed_s)
                self.dice.append(event.mean_dice)
            case Plan():
                self.explanation = event.explanation
            case _:
                return False
        return True


def _numbers(values: Any) -> list[float]:
    try:
        return [float(v) for v in values or ()]
    except (TypeError, ValueError):
        return []


def update_job(job: Job, event: Event) -> Job:
    """Return the job after one of its events."""
    match event:
        case Started():
            return replace(job, message=event.message)
        case Progress():
            # Reading is not what the user waits for: its end would look like the job's.
            preparing = bool(event.message) and event.unit in ("", "crops")
            return replace(
                job,
                fraction=None if preparing else min(1.0, event.done / event.total),
                eta_s=event.eta_s,
                message=event.message,
            )
        case _:
            return job
