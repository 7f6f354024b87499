"""The state that the five steps share: no Qt, no napari, so it runs in any script.

Widgets keep no copy of it: they read it, and listen to the signal that says which
part of it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from psygnal import Signal

from napari_densify.annotations import Edit, PaintedArray, sum_slices
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.settings import PredictSettings, TrainSettings
from napari_densify.core.volume import Spacing
from napari_densify.plugin.advice import COPIED, advise, propose_held_out
from napari_densify.plugin.desk import JobDesk
from napari_densify.plugin.jobs import TrainingLog
from napari_densify.project import Project, Round

__all__ = ["DEFAULT_BUDGET_S", "Session", "default_train_settings"]

DEFAULT_BUDGET_S = 60.0


def default_train_settings() -> TrainSettings:
    """Return the settings that a new session starts with."""
    return TrainSettings(budget_s=DEFAULT_BUDGET_S)


class Session(JobDesk):
    """A project being worked on, and what the engine is doing for it."""

    project_changed = Signal()
    """Another project, or none, or another voxel size."""
    classes_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.paint: PaintedArray | None = None
        self.train_settings = default_train_settings()
        self.predict_settings = PredictSettings()
        self.extra_outputs: frozenset[str] = frozenset()
        self.live = True
        self.held_still = False
        self.start_from = 0

    # the project

    def open(self, project: Project, **callbacks: Callable[..., None]) -> None:
        """Work on a project; the callbacks are those of `PaintedArray`."""
        self.close()
        self.project = project
        self.paint = project.painted(**callbacks)
        self.train_settings = self._stored("train", default_train_settings())
        rounds = project.rounds()
        self.round_number = max((r.number for r in rounds), default=0)
        self.earlier = {r.number: TrainingLog.from_scores(r.scores) for r in rounds}
        self._adopt_painted()
        self._announce_project()
        if project.notice:
            self.said.emit("warning", project.notice)

    def close(self) -> None:
        """Put all strokes on disk and let others change the project."""
        if self.project is not None:
            self.end()
            self.clear_results()
            self.round_number = self.start_from = 0
            self._announce_project()

    def end(self) -> None:
        """Do the same without telling anybody: widgets that listen may be gone already."""
        if self.paint is not None:
            self.paint.close()
        if self.project is not None:
            self.project.close()
        self.project, self.paint = None, None

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
            If a painted class is to go, or it has fewer than one class.
        """
        project = self.require_project()
        gone = set(project.classes.values) - set(classes.values)
        lost = [v for v, n in self.counts().items() if n and v in gone]
        if lost:
            raise InputError(
                f"class {project.classes.name(lost[0])} is painted", mend="erase its paint first"
            )
        if len(classes) == 0:
            raise InputError("the last class cannot be removed")
        project.update(classes=classes)
        self.classes_changed.emit()

    def recount(self) -> None:
        """Tell that strokes came or went; what they brought back of other classes is listed."""
        if self._adopt_painted():
            self.classes_changed.emit()
        self._forget_erased()
        self.paint_changed.emit()

    def _forget_erased(self) -> None:
        """Slices whose copied paint was erased or undone can be painted by hand again."""
        project = self.project
        if project is None or project.read_only or not project.document.copied:
            return
        with suppress(InputError):  # no room: at the next stroke
            project.note_copied(set(project.document.copied) - set(self.slice_counts()), False)

    def _adopt_painted(self) -> bool:
        """Give painted values without a class one, else they are trained on and can't be seen."""
        project = self.project
        if project is None or project.read_only:
            return False
        painted = {v for v, n in self.counts().items() if n}
        if not painted - set(project.classes.values):
            return False
        with suppress(InputError):  # no room: at the next stroke
            project.update(classes=project.classes.only(painted.union(project.classes.values)))
            return True
        return False

    def set_spacing(self, spacing: Spacing) -> None:
        """State the voxel size (Z, Y, X) in nm."""
        self.require_project().update(spacing=spacing, spacing_known=True)
        self.project_changed.emit()

    def set_held_out(self, z: int, held_out: bool) -> None:
        """Mark a slice as held out, or give it back to training."""
        project = self.require_project()
        project.set_held_out([z], held_out)
        if held_out and z in project.document.copied:
            self.said.emit("warning", COPIED.format(z=z))
        self.paint_changed.emit()

    def note_copied(self, edit: Edit) -> None:
        """Remember slices whose paint was copied: scored on it, a model looks better than it is."""
        with suppress(InputError):  # no room: the paint itself is told of
            self.require_project().note_copied(edit.slices)

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
        return sum_slices(self.slice_counts(), without=self.held_out)

    def painted_held_out(self) -> tuple[int, ...]:
        """Held-out slices that hold paint, ascending."""
        return tuple(sorted(self.held_out & set(self.slice_counts())))

    def held_out_share(self) -> tuple[int, float]:
        """Painted voxels on held-out slices, and their share of those slices that hold any."""
        held, counts = self.painted_held_out(), self.slice_counts()
        painted = sum(sum(counts[z].values()) for z in held)
        _, y, x = self.require_project().shape
        return painted, painted / max(1, len(held) * y * x)

    def advice(self) -> str:
        """Say what to paint before a training makes sense; empty if it does."""
        if self.project is None:
            return ""
        return advise(self.slice_counts(), self.classes, self.held_out)

    def proposed_held_out(self) -> int | None:
        """Return a painted slice worth holding out, once enough are painted."""
        copied = self.project.document.copied if self.project else ()
        return propose_held_out(self.slice_counts(), self.held_out, copied)

    # rounds

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

    def forget_round(self, number: int) -> None:
        """Let go of a round that was deleted: its number may be used again."""
        self.earlier.pop(number, None)
        if self.start_from == number:
            self.start_from = 0

    def starting_round(self) -> Round | None:
        """Round whose model the next training goes on from; None: it starts afresh."""
        rounds = self.require_project().rounds()
        return next((r for r in rounds if r.number == self.start_from), None)
