"""Trying a classical method on the slice on screen, in a worker that never waits for training."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_densify.core import requests as ask
from napari_densify.core.events import Done, Event, Failed, LayerUpdated, Progress
from napari_densify.core.settings import Settings
from napari_densify.plugin.asking import classical_request
from napari_densify.plugin.engine_client import EngineClient, engine_command
from napari_densify.plugin.layers import (
    add_quietly,
    class_colormap,
    find_layer,
    mark_layer,
    place_like,
    protect,
    when_hands_are_off,
)
from napari_densify.plugin.pictures import SliceOf
from napari_densify.plugin.workbench import Workbench

__all__ = ["DEBOUNCE_MS", "Trial"]

DEBOUNCE_MS = 30
_NAME = "trial"


@dataclass(frozen=True)
class _Wish:
    method: str
    parameters: Settings
    tune: bool = False


class Trial(QObject):
    """Previews of one method: one question at a time, and always the latest.

    Parameters
    ----------
    bench
        Session and viewer.
    """

    shown = Signal(float, bool)
    """Milliseconds since it was asked for; whether it is the last answer."""
    tuned = Signal(str, object)
    """Name of a method and the parameters that were found for it."""
    said = Signal(str)
    """How far it is, or why it was refused."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench = bench
        # Here, wherever the engine is: what is previewed is what the viewer itself can read.
        self.command = [*engine_command(), "--light"]
        self._client: EngineClient | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._wish: _Wish | None = None
        self._sent: _Wish | None = None
        self._job = ""
        self._asked = 0.0
        self._generation = 0
        self._title = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DEBOUNCE_MS)
        self._timer.timeout.connect(self._ask)

    def want(self, method: str, parameters: Settings) -> None:
        """Preview a method on the slice on screen, as soon as the slider rests a moment."""
        self._take(_Wish(method, parameters))

    def tune(self, method: str, parameters: Settings) -> None:
        """Search a method's parameters on the training paint, and preview what is found."""
        self._take(_Wish(method, parameters, tune=True))

    def _take(self, wish: _Wish) -> None:
        self._wish = wish
        self._asked = time.monotonic()
        self._timer.start()

    def close(self) -> None:
        """End the worker and take the preview away."""
        self._timer.stop()
        self._wish, self._job = None, ""
        if self._client is not None:
            self._client.free()
            self._client = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        layer = self._layer()
        if layer is not None:
            self.bench.canvas.viewer.layers.remove(layer)

    def _layer(self) -> Labels | None:
        viewer = self.bench.canvas.viewer
        return None if viewer is None else find_layer(viewer, "preview", _NAME)

    def _ask(self) -> None:
        """Send the latest wish; one under way is told to make way."""
        session = self.bench.session
        if self._wish is None or session.project is None:
            return
        if self._job:
            self._worker().tell(ask.Cancel(job=self._job))
            return
        wish, self._sent, self._wish = self._wish, self._wish, None
        z, (_, height, width) = self.bench.canvas.current_slice, session.shape
        self._generation += 1
        if session.paint is not None:
            session.paint.flush()
        request = classical_request(
            session,
            wish.method,
            wish.parameters,
            self._path(),
            tune=wish.tune,
            region=(slice(z, z + 1), slice(0, height), slice(0, width)),
        )
        self._job = self._worker().submit(
            request.model_copy(update={"generation": self._generation})
        )

    def _worker(self) -> EngineClient:
        if self._client is None:
            self._client = EngineClient(self.command, parent=self)
            self._client.heard.connect(self._hear)
        return self._client

    def _path(self) -> str:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="densify-")
        return str(Path(self._folder.name) / "preview.npy")

    def _hear(self, event: Event) -> None:
        if not self._job or event.job != self._job:
            return
        if isinstance(event, LayerUpdated) and self._wish is None:
            self._show(event)
        if isinstance(event, Progress) and self._wish is None:
            self.said.emit(f"{event.message.capitalize()}: {event.done:.0f} of {event.total:.0f}")
        if isinstance(event, Done | Failed):
            self._job = ""
            if self._wish is None:
                self._end(event)
            self._ask()

    def _end(self, event: Done | Failed) -> None:
        sent, self._sent = self._sent, None
        if isinstance(event, Failed):
            self.said.emit(event.message)
        elif sent is not None and sent.tune:
            self.tuned.emit(sent.method, event.result["parameters"])

    def _show(self, event: LayerUpdated) -> None:
        assert event.region is not None
        labels = np.load(event.path)
        z, y, x = (slice(*bounds) for bounds in event.region)
        data = SliceOf(self.bench.session.shape, (z, y, x), labels)
        self._title = event.name
        when_hands_are_off(lambda: self._put(data))
        self.shown.emit(1000 * (time.monotonic() - self._asked), event.final)

    def _put(self, data: SliceOf) -> None:
        if self.bench.session.project is None or self._folder is None:
            return
        layer, title = self._layer(), f"Preview: {self._title}"
        if layer is None:
            self._add(data, title)
        else:
            layer.data = data
            layer.name, layer.visible = title, True

    def _add(self, data: Any, title: str) -> None:
        session, canvas = self.bench.session, self.bench.canvas
        layer = Labels(
            data,
            name=title,
            colormap=class_colormap(session.classes, dense=True),
            opacity=0.5,
            **place_like(canvas.image_layer, session.require_project().spacing),
        )
        mark_layer(layer, "preview", _NAME)
        protect(layer)
        add_quietly(canvas.viewer, layer, below=canvas.paint_layer)
