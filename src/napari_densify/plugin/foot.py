"""The foot of every dock: what to do next and the last word, in view wherever one scrolls."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QFrame

from napari_densify.plugin.candidates import candidate_or_none
from napari_densify.plugin.guide import Situation, say_next
from napari_densify.plugin.hindrance import hindrance
from napari_densify.plugin.layers import active_image
from napari_densify.plugin.step import Step, hint
from napari_densify.plugin.workbench import Workbench

__all__ = ["Foot"]

ICONS = {"info": "✓", "warning": "⚠", "error": "✕"}


class Foot(Step):
    """Two lines that stay in view.

    The lower one goes when it is out of date: with the next job, and what was asked of the
    user with the next stroke.
    """

    title = "Foot"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        self.next = hint("", name="next")
        self.message = hint("", name="message")
        self.message.hide()
        for widget in (line, self.next, self.message):
            self.body.addWidget(widget)
        self._level, self._job = "", ""
        self._listen()
        self.sync()

    def _listen(self) -> None:
        session, layers = self.session, self.bench.canvas.viewer.layers
        self.listen(session.said, self._say)
        self.listen(session.paint_changed, self._painted)
        self.listen(session.job_changed, self._job_changed)
        for signal in (session.project_changed, session.classes_changed, session.rounds_changed):
            self.listen(signal, self.sync)
        for event in (layers.events.inserted, layers.events.removed):
            self.listen(event, self.sync)
        self.listen(layers.selection.events.active, self.sync)

    def sync(self, *_: Any) -> None:
        """Say what to do next."""
        self.next.setText(say_next(self._situation()))

    def _situation(self) -> Situation:
        session, canvas = self.session, self.bench.canvas
        if session.project is None:
            return Situation(image=_is_usable(active_image(canvas.viewer)))
        if session.job is not None:
            return Situation(opened=True, working=session.job.status)
        return Situation(
            opened=True,
            hindrance=hindrance(canvas),
            advice=session.advice(),
            scored=bool(session.painted_held_out()),
            rounds=len(session.project.rounds()),
            predicted=canvas.prediction_layer is not None,
        )

    def _say(self, level: str, text: str) -> None:
        self._level = level
        self.message.setText(f"{ICONS[level]} {text}")
        self.message.show()

    def _painted(self, *_: Any) -> None:
        if self._level == "warning":
            self.message.hide()
        self.sync()

    def _job_changed(self, *_: Any) -> None:
        job = self.session.job
        if job is not None and job.id != self._job:
            self._job = job.id
            self.message.hide()
        self.sync()


def _is_usable(layer: Any) -> bool:
    return candidate_or_none(layer) is not None
