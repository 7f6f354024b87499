"""The state that the five steps share: no Qt, no napari, so it runs in any script.

Widgets keep no copy of it: they read it, and listen to the signal that says which
part of it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_densify.annotations import PaintedArray
from napari_densify.core import requests as ask
from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, Failed, LayerUpdated, ModelSaved, Notice
from napari_densify.core.labels import ClassTable, require_trainable
from napari_densify.core.settings import PredictSettings, TrainSettings
from napari_densify.core.volume import Spacing
from napari_densify.plugin.jobs import Job, TrainingLog, update_job
from napari_densify.project import Project, Round

__all__ = ["DEFAULT_BUDGET_S", "Session", "default_train_settings"]

DEFAULT_BUDGET_S = 60.0


def default_train_settings() -> TrainSettings:
    """Return the settings that a new session starts with."""
    return TrainSettings(budget_s=DEFAULT_BUDGET_S)


class Session:
    """A project being worked on, and what the engine is doing for it."""

    project_changed = Signal()
    """Another project, or none, or another voxel size."""
    classes_changed = Signal()
    paint_changed = Signal()
    """Something was painted (it is on disk now), or held out, or suggested."""
    job_changed = Signal()
    training_changed = Signal()
    rounds_changed = Signal()
    scores_changed = Signal()
    layer_updated = Signal(LayerUpdated)
    job_ended = Signal(object, object)
    """The `Job` and its last event, `Done` or `Failed`."""
    said = Signal(str, str)
    """``info``, ``warning`` or ``error``, and one line for the user."""

    def __init__(self) -> None:
        self.project: Project | None = None
        self.paint: PaintedArray | None = None
        self.job: Job | None = None
        self.training = TrainingLog()
        self.earlier: dict[int, TrainingLog] = {}
        self.train_settings = default_train_settings()
        self.predict_settings = PredictSettings()
        self.live = True
        self.comparison: list[dict[str, Any]] = []
        self.suggested: tuple[dict[str, Any], ...] = ()
        self.round_number = 0
        self._training_round: Round | None = None

    # the project

    def open(self, project: Project, **callbacks: Callable[..., None]) -> None:
        """Work on a project; the callbacks are those of `PaintedArray`."""
        self.close()
        self.project = project
        self.paint = project.painted(**callbacks)
        self.train_settings = self._stored("train", default_train_settings())
        self.round_number = max((r.number for r in project.rounds()), default=0)
        self._announce_project()
        if project.notice:
            self.said.emit("warning", project.notice)

    def close(self) -> None:
        """Put all strokes on disk and let others change the project."""
        if self.project is None:
            return
        if self.paint is not None:
            self.paint.close()
        self.project.close()
        self.project, self.paint = None, None
        self.training, self.earlier = TrainingLog(), {}
        self.comparison, self.suggested, self.round_number = [], (), 0
        self._announce_project()

    def _announce_project(self) -> None:
        for signal in (self.project_changed, self.classes_changed, self.paint_changed):
            signal.emit()
        for signal in (self.training_changed, self.rounds_changed, self.scores_changed):
            signal.emit()

    def _stored(self, name: str, default: Any) -> Any:
        assert self.project is not None
        try:
            return type(default).model_validate(self.project.document.settings[name])
        except (KeyError, ValueError):
            return default

    def require_project(self) -> Project:
        """Return the project.

        Raises
        ------
        InputError
            If none is open.
        """
        if self.project is None:
            raise InputError(
                "there is no project yet", mend="choose an image in the step Volume first"
            )
        return self.project

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along Z, Y, X; zeros without a project."""
        return self.project.shape if self.project else (0, 0, 0)

    @property
    def classes(self) -> ClassTable:
        """Class table; that of a new project if none is open."""
        return self.project.classes if self.project else ClassTable.default()

    @property
    def held_out(self) -> frozenset[int]:
        """Slices that are scored, never trained on."""
        return frozenset(self.project.held_out) if self.project else frozenset()

    def set_classes(self, classes: ClassTable) -> None:
        """Change the class table; a class that is painted cannot be removed.

        Raises
        ------
        InputError
            If a painted class is missing from it, or it has fewer than one class.
        """
        project = self.require_project()
        lost = [v for v, n in self.counts().items() if n and v not in classes.values]
        if lost:
            raise InputError(
                f"class {project.classes.name(lost[0])} is painted", mend="erase its paint first"
            )
        if len(classes) == 0:
            raise InputError("the last class cannot be removed")
        project.update(classes=classes)
        self.classes_changed.emit()

    def set_spacing(self, spacing: Spacing) -> None:
        """State the voxel size (Z, Y, X) in nm."""
        self.require_project().update(spacing=spacing, spacing_known=True)
        self.project_changed.emit()

    def set_held_out(self, z: int, held_out: bool) -> None:
        """Mark a slice as held out, or give it back to training."""
        self.require_project().set_held_out([z], held_out)
        self.paint_changed.emit()

    def set_train_settings(self, settings: TrainSettings) -> None:
        """Change and keep the wishes for trainings."""
        self.train_settings = settings
        if self.project is not None and not self.project.read_only:
            stored = {**self.project.document.settings, "train": settings.model_dump(mode="json")}
            self.project.update(settings=stored)

    # paint

    def counts(self) -> dict[int, int]:
        """Annotated voxels per class."""
        return self.paint.counts() if self.paint is not None else {}

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per slice and class."""
        return self.paint.slice_counts() if self.paint is not None else {}

    def training_counts(self) -> dict[int, int]:
        """Annotated voxels per class on slices that are trained on."""
        total: dict[int, int] = {}
        for z, row in self.slice_counts().items():
            for value, n in row.items() if z not in self.held_out else ():
                total[value] = total.get(value, 0) + n
        return total

    def advice(self) -> str:
        """Say what to paint before a training makes sense; empty if it does."""
        if self.project is None:
            return ""
        counts, classes = self.training_counts(), self.classes
        painted = [v for v, n in counts.items() if n]
        if not painted:
            return "Nothing is painted yet. Paint a little of every class on one or more slices."
        if len(painted) == 1:
            other = "the background" if painted[0] != classes.background else "another class"
            return (
                f"Only {classes.name(painted[0])} is painted. Paint {other} too: "
                "what is left unpainted is ignored, it does not count as background."
            )
        if classes.background is not None and classes.background not in painted:
            return "No background is painted. What is left unpainted does not count as background."
        missing = [classes.name(v) for v in classes.values if v not in painted]
        return f"Not painted yet, so not learned: {', '.join(missing)}." if missing else ""

    def proposed_held_out(self) -> int | None:
        """Return a painted slice worth holding out: from five painted slices on, one in five."""
        painted = sorted(self.slice_counts())
        if len(painted) < 5 or len(self.held_out & set(painted)) >= len(painted) // 5:
            return None
        free = [z for z in painted if z not in self.held_out]
        return free[len(free) // 2]

    # what can be asked

    def require_idle(self) -> None:
        """Raise an InputError while a job is under way."""
        if self.job is not None:
            raise InputError(
                f"{self.job.title.lower()} is under way", mend="wait for its end, or stop it"
            )

    def train_request(self) -> ask.TrainRequest:
        """Return the request of a new round of training.

        Raises
        ------
        InputError
            With the reason why nothing can be trained.
        """
        project = self.require_project()
        self.require_idle()
        require_trainable(self.training_counts(), self.classes, where="Train")
        assert self.paint is not None
        self.paint.flush()
        self._training_round = project.new_round()
        self.training = TrainingLog()
        self.training_changed.emit()
        held_out = tuple(sorted(self.held_out & set(self.slice_counts())))
        return ask.TrainRequest(
            images=(str(project.path),),
            annotations=(str(project.path),),
            output=str(self._training_round.model),
            project=str(project.path),
            settings=self.train_settings.model_copy(update={"held_out": held_out}),
            live=self.live,
        )

    def predict_request(self, view: Region | None = None) -> ask.PredictRequest:
        """Return the request of a prediction by the chosen round, nearest to ``view`` first.

        Raises
        ------
        InputError
            If nothing is trained yet.
        """
        project = self.require_project()
        self.require_idle()
        number = self.chosen_round().number
        return ask.PredictRequest(
            images=(str(project.path),),
            model=str(project.round(number).model),
            output=str(project.prediction_path(number)),
            settings=self.predict_settings,
            view=bounds_of(view) if view is not None else None,
        )

    def compare_request(self, methods: Sequence[str]) -> ask.CompareRequest:
        """Return the request of a comparison of methods, and of the chosen round if there is one.

        Raises
        ------
        InputError
            If nothing can be learned from or scored on.
        """
        project = self.require_project()
        self.require_idle()
        require_trainable(self.counts(), self.classes, where="Compare")
        rounds = project.rounds()
        held_out = tuple(sorted(self.held_out & set(self.slice_counts())))
        return ask.CompareRequest(
            image=str(project.path),
            annotations=str(project.path),
            output=str(project.path / "comparison"),
            methods=tuple(methods),
            models=(str(self.chosen_round().model),) if rounds else (),
            held_out=held_out,
        )

    def suggest_request(self) -> ask.SuggestRequest:
        """Return the request for slices that are worth painting next.

        Raises
        ------
        InputError
            If nothing is trained yet.
        """
        project = self.require_project()
        self.require_idle()
        path = str(project.path)
        return ask.SuggestRequest(
            image=path, annotations=path, model=str(self.chosen_round().model)
        )

    def chosen_round(self) -> Round:
        """Return the round that predicts: the chosen one, or else the last.

        Raises
        ------
        InputError
            If there is none.
        """
        rounds = self.require_project().rounds()
        if not rounds:
            raise InputError("nothing is trained yet", mend="press Train first")
        return next((r for r in rounds if r.number == self.round_number), rounds[-1])

    def choose_round(self, number: int) -> None:
        """Predict and compare with this round from now on."""
        self.round_number = number
        self.rounds_changed.emit()

    # what the engine says

    def begin(self, job: Job) -> None:
        """Take note that a job was sent to the engine."""
        self.job = job
        self.job_changed.emit()

    def change_job(self, **changes: Any) -> None:
        """Take note that the job was paused, resumed or asked to stop."""
        if self.job is not None:
            self.job = Job(**{**vars(self.job), **changes})
            self.job_changed.emit()

    def hear(self, event: Event) -> None:
        """Take up an event of the engine."""
        if isinstance(event, Notice):
            self.said.emit(event.level, event.message)
        if self.job is None or event.job != self.job.id:
            return
        if isinstance(event, Done | Failed):
            self._end(event)
            return
        if isinstance(event, LayerUpdated):
            self.layer_updated.emit(event)
        if self.job.kind == "train" and self.training.add(event):
            self.training_changed.emit()
        if isinstance(event, ModelSaved):
            self._model_saved()
        job = update_job(self.job, event)
        if job != self.job:
            self.job = job
            self.job_changed.emit()

    def _model_saved(self) -> None:
        if self._training_round is None:
            return
        self.round_number = self._training_round.number
        self.earlier[self.round_number] = self.training
        self.rounds_changed.emit()

    def _end(self, event: Done | Failed) -> None:
        job, self.job = self.job, None
        assert job is not None
        if isinstance(event, Failed):
            self.said.emit("error", f"{job.title} failed: {event.message}")
        else:
            self._keep(job, event)
        if job.kind == "train" and self._training_round is not None:
            self._end_round(event)
        self.job_changed.emit()
        self.job_ended.emit(job, event)

    def _keep(self, job: Job, event: Done) -> None:
        if job.kind == "compare":
            self.comparison = list(event.result.get("rows") or ())
            self.scores_changed.emit()
        if job.kind == "suggest":
            self.suggested = tuple(event.result.get("suggestions", ()))
            self.paint_changed.emit()
        verb = "stopped; what was done is kept" if event.stopped else "done"
        self.said.emit("info", f"{job.title}: {verb}")

    def _end_round(self, event: Done | Failed) -> None:
        made, self._training_round = self._training_round, None
        assert made is not None
        if not made.complete:
            made.delete()
        elif isinstance(event, Done):
            made.save_scores({**event.result, "curves": vars_of(self.training)})
        self.rounds_changed.emit()


def bounds_of(region: Region) -> ask.Bounds:
    """Return a region as it travels in messages."""
    z, y, x = ((s.start, s.stop) for s in region)
    return z, y, x


def vars_of(log: TrainingLog) -> dict[str, list[float]]:
    """Return the curves of a training as plain lists."""
    return {
        "seconds": log.seconds,
        "loss": log.loss,
        "score_seconds": log.score_seconds,
        "dice": log.dice,
    }


def default_folder(name: str, source: str) -> Path:
    """Where a new project is proposed: beside the file, else in the home folder."""
    path = Path(source.partition("::")[0]) if source and "://" not in source else None
    stem = (path.name if path else name).split(".")[0] or "volume"
    parent = path.parent if path and path.parent.is_dir() else Path.home() / "Densify"
    return parent / f"{stem}.densify"
