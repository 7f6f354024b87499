"""The dock: five steps top to bottom, and each step as a dock of its own."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QSizePolicy

from napari_densify.plugin.engine_choice import keep_link
from napari_densify.plugin.engine_dialog import EngineDialog
from napari_densify.plugin.foot import Foot
from napari_densify.plugin.step import Panel, Part, Step, button, collapsible, hint
from napari_densify.plugin.step_annotate import AnnotateStep
from napari_densify.plugin.step_compare import CompareStep
from napari_densify.plugin.step_predict import PredictStep
from napari_densify.plugin.step_train import TrainStep
from napari_densify.plugin.step_volume import VolumeStep
from napari_densify.plugin.workbench import Workbench

__all__ = [
    "AnnotateDock",
    "CompareDock",
    "DensifyDock",
    "PredictDock",
    "TrainDock",
    "VolumeDock",
]

STEPS: tuple[type[Step], ...] = (VolumeStep, AnnotateStep, TrainStep, PredictStep, CompareStep)


class EngineStep(Step):
    """The last line of every dock: the engine's state, and its memory given back."""

    title = "Engine"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        row = QHBoxLayout()
        self.engine = hint("", name="engine")
        self.engine.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.free = button(
            "Free memory",
            "End the engine: its memory, the GPU's too, is given back; it restarts when needed",
            bench.free_engine,
            name="free-engine",
        )
        self.where = button(
            "Where…",
            "Run the engine on another machine that shares a folder with this one",
            self._choose_engine,
            name="engine-where",
        )
        row.addWidget(self.engine)
        row.addWidget(self.where)
        row.addWidget(self.free)
        self.body.addLayout(row)
        self._sync()
        self.listen(self.session.job_changed, self._sync)
        self.listen(bench.client.state_changed, self._sync)

    def _sync(self, *_: Any) -> None:
        client = self.bench.client
        words = {
            "off": "Engine: not running",
            "starting": "Engine: starting…",
            "ready": f"Engine: ready on {client.device}" if client.device else "Engine: ready",
        }
        self.engine.setText(words[client.state])
        self.where.setEnabled(self.session.job is None)
        self.free.setEnabled(client.state != "off")

    def _choose_engine(self) -> None:
        dialog = EngineDialog(self.bench.client.link, self)
        if dialog.exec() and self.bench.attempt(self.bench.client.use, dialog.link):
            keep_link(dialog.link)


class DensifyDock(Panel):
    """The five steps, each in a part that folds.

    Parameters
    ----------
    napari_viewer
        Viewer that it is docked in (napari passes it by this name).
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.parts: dict[str, Part] = {}
        for number, step_class in enumerate(STEPS, start=1):
            step = step_class(self.bench)
            self.steps.append(step)
            part = collapsible(f"{number}  {step.title}", step, expanded=number == 1)
            part.setObjectName(f"part-{step.title.lower()}")
            self.parts[step.title] = part
            self.column.addWidget(part)
        engine = EngineStep(self.bench)
        self.steps.append(engine)
        self.column.addWidget(engine)
        self.column.addStretch(1)
        self.add_foot(Foot(self.bench))
        engine.listen(self.bench.session.project_changed, self._unfold)
        self._unfold()

    def step(self, title: str) -> Step:
        """Return the step of this title."""
        return next(step for step in self.steps if step.title == title)

    def _unfold(self) -> None:
        """Show the steps that can be worked on."""
        opened = self.bench.session.project is not None
        wanted = {"Volume": not opened, "Annotate": opened, "Train": opened, "Predict": opened}
        for title, expanded in wanted.items():
            part = self.parts[title]
            if expanded:
                part.expand()
            else:
                part.collapse()


class _StepDock(Panel):
    """One step as a dock of its own."""

    step_class: type[Step]

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        for step in (self.step_class(self.bench), EngineStep(self.bench)):
            self.steps.append(step)
            self.column.addWidget(step)
        self.column.addStretch(1)
        self.add_foot(Foot(self.bench))


class VolumeDock(_StepDock):
    """Step 1 by itself."""

    step_class = VolumeStep


class AnnotateDock(_StepDock):
    """Step 2 by itself."""

    step_class = AnnotateStep


class TrainDock(_StepDock):
    """Step 3 by itself."""

    step_class = TrainStep


class PredictDock(_StepDock):
    """Step 4 by itself."""

    step_class = PredictStep


class CompareDock(_StepDock):
    """Step 5 by itself."""

    step_class = CompareStep
