"""What the engine is doing: the job under way, its log, and what comes of its events."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from psygnal import Signal

from napari_densify.core.errors import InputError
from napari_densify.core.events import (
    Done,
    Event,
    Failed,
    LayerUpdated,
    ModelSaved,
    Notice,
    Progress,
    StepDone,
)
from napari_densify.plugin.jobs import Job, TrainingLog, update_job
from napari_densify.plugin.leave_out import LeaveOut
from napari_densify.project import Project, Round

__all__ = ["JobDesk"]

# Steps and progress are told on so often at most: a training does dozens a second, and
# to draw each of them would take the processor from it.
_EVERY_S = 0.5


class JobDesk:
    """Follows the engine's jobs by their events; base of `Session`."""

    job_changed = Signal()
    training_changed = Signal()
    rounds_changed = Signal()
    scores_changed = Signal()
    paint_changed = Signal()
    """Something was painted (it is on disk now), or held out, or suggested."""
    layer_updated = Signal(LayerUpdated)
    estimate_changed = Signal()
    job_ended = Signal(object, object)
    """The `Job` and its last event, `Done` or `Failed`."""
    said = Signal(str, str)
    """``info``, ``warning`` or ``error``, and one line for the user."""

    def __init__(self) -> None:
        self.project: Project | None = None
        self.job: Job | None = None
        self._making: tuple[Round, TrainingLog] | None = None
        self.round_number = 0
        self._told = 0.0
        self.clear_results()

    def clear_results(self) -> None:
        """Forget what earlier jobs gave."""
        self.estimate: dict[str, Any] = {}
        self.left_out = LeaveOut()
        self.training = TrainingLog()
        self.earlier: dict[int, TrainingLog] = {}
        self.comparison: list[dict[str, Any]] = []
        self.suggested: tuple[dict[str, Any], ...] = ()
        self.unfinished: Round | None = None

    def require_idle(self) -> None:
        """Raise an InputError while a job is under way."""
        if self.job is not None:
            raise InputError(
                f"{self.job.title.lower()} is under way", mend="wait for its end, or stop it"
            )

    def owns(self, job: Job) -> bool:
        """Whether a job works on the project that is open now."""
        return job.project == self._place()

    def _place(self) -> str:
        return str(self.project.path) if self.project else ""

    def begin(self, job: Job) -> None:
        """Take note that a job was sent to the engine, for the project that is open."""
        self.job = replace(job, project=self._place())
        self.job_changed.emit()

    def begin_training(self, job: Job, made: Round, log: TrainingLog) -> None:
        """Take note that a training was sent, into which round, and with how much paint."""
        self._making = made, log
        self.training, self.left_out = log, LeaveOut()
        self.training_changed.emit()
        self.begin(job)

    def change_job(self, **changes: Any) -> None:
        """Take note that the job was paused, resumed or asked to stop."""
        if self.job is not None:
            self.job = replace(self.job, **changes)
            self.job_changed.emit()

    def hear(self, event: Event) -> None:
        """Take up an event of the engine."""
        if isinstance(event, Notice):
            self.said.emit(event.level, event.message)
        if self.job is None or event.job != self.job.id:
            return
        if isinstance(event, Done | Failed):
            self._end(self.job, event)
            return
        if not self.owns(self.job):
            if self.job.kind == "train" and self._making is not None:
                self._making[1].add(event)  # it is kept with the round, and not shown
            return
        if isinstance(event, LayerUpdated):
            self.layer_updated.emit(event)
        self._follow(self.job, event)

    def _follow(self, job: Job, event: Event) -> None:
        """Take up how far a job is; tell on what is new, if it is time."""
        self.job = update_job(job, event)
        now = time.monotonic()
        often = isinstance(event, StepDone | Progress) and self.job.message == job.message
        tell = not often or now - self._told >= _EVERY_S
        log = {"train": self.training.add, "leave_out": self.left_out.hear}.get(job.kind)
        if log is not None and log(event) and tell:
            self.training_changed.emit()
        if isinstance(event, ModelSaved):
            self._model_saved()
        if tell and isinstance(event, Progress):  # steps come just before it
            self._told = now
        if tell and self.job != job:
            self.job_changed.emit()

    def _model_saved(self) -> None:
        if self._making is not None:
            made, log = self._making
            self.round_number = made.number
            self.earlier[made.number] = log
            self.rounds_changed.emit()

    def _end(self, job: Job, event: Done | Failed) -> None:
        self.job, self._told = None, 0.0
        if job.kind in ("train", "leave_out"):
            self.training_changed.emit()  # what was not told on yet
        if isinstance(event, Failed):
            self.said.emit("error", f"{job.title} failed: {event.message}")
        else:
            self._keep(job, event)
        if job.kind == "train" and self._making is not None:
            self._end_round(*self._making, event, owned=self.owns(job))
        self.job_changed.emit()
        self.job_ended.emit(job, event)

    def set_estimate(self, found: dict[str, Any]) -> None:
        """Keep what the engine found out about time and memory, before a training."""
        self.estimate = found
        self.estimate_changed.emit()

    def _keep(self, job: Job, event: Done) -> None:
        if job.kind == "compare" and self.owns(job):
            result = event.result
            self.comparison = list(result.get("table_rows") or result.get("rows") or ())
            self.scores_changed.emit()
        if job.kind == "suggest" and self.owns(job):
            self.suggested = tuple(event.result.get("suggestions", ()))
            self.paint_changed.emit()
        if job.kind == "leave_out":
            return  # one of several; the last word comes with the last one
        stopped = "stopped; what was done is kept" if event.result else "stopped at once"
        self.said.emit("info", f"{job.title}: {stopped if event.stopped else 'done'}")

    def _end_round(
        self, made: Round, log: TrainingLog, event: Done | Failed, *, owned: bool
    ) -> None:
        self._making = None
        if not made.complete and owned and isinstance(event, Failed) and event.again:
            self.unfinished = made  # its snapshot can be taken up
        elif not made.complete:
            with suppress(InputError):  # a folder without a model is no round
                made.delete()
        elif isinstance(event, Done):
            made.save_scores({**event.result, **log.summary()})
        self.rounds_changed.emit()
