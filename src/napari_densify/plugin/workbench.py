"""One project in one viewer: what the buttons do, usable from a script as well.

There is one workbench a viewer, shared by the dock and by steps that are opened on
their own; it ends the engine when the last of them closes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Labels
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QApplication
from superqt.utils import create_worker

from napari_densify.core import requests as ask
from napari_densify.core.blocks import Bounds, Region, bounds_of
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, Failed, LayerUpdated
from napari_densify.plugin.activity import Activity
from napari_densify.plugin.asking import box_around
from napari_densify.plugin.candidates import (
    candidate_of,
    candidate_or_none,
    choose_part,
    make_project,
    open_with_image,
)
from napari_densify.plugin.canvas import Canvas
from napari_densify.plugin.engine_choice import kept_link
from napari_densify.plugin.engine_client import EngineClient
from napari_densify.plugin.garbage import GuiThreadCollector
from napari_densify.plugin.grid import set_side_by_side
from napari_densify.plugin.importer import Importer
from napari_densify.plugin.layers import find_layer, grid_of
from napari_densify.plugin.painter import Painter
from napari_densify.plugin.proposal import Proposal
from napari_densify.plugin.runner import JobRunner
from napari_densify.plugin.session import Session
from napari_densify.project import ImageElsewhere, Project, Round

__all__ = ["Workbench", "workbench_of"]

_BENCHES: WeakKeyDictionary[Any, Workbench] = WeakKeyDictionary()

COUNT_EVERY_MS = 250
SKETCH_AFTER_MS = 500

MOST_IN_3D = 2**24
"""Voxels of the box around the current position that the 3D view's preview predicts."""


def workbench_of(viewer: Any) -> Workbench:
    """Return the workbench of a viewer, made when first asked for."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _BENCHES:
        _BENCHES[viewer] = Workbench(viewer)
    return _BENCHES[viewer]


class Workbench(JobRunner):
    """Ties session, engine and viewer together.

    Parameters
    ----------
    viewer
        napari viewer.
    command
        Command that starts the engine; this Python's by default.
    """

    busy_changed = Signal(str)
    """What is being opened or copied; empty when it is done."""
    image_elsewhere = Signal(object, object)
    """Folder of a project that was to be opened, and why its image can't be."""
    _flushed = Signal(object)
    _flush_failed = Signal(str)
    _flush_recovered = Signal()

    def __init__(self, viewer: Any, command: list[str] | None = None) -> None:
        super().__init__()
        self.session = Session()
        self.client = EngineClient(command, parent=self)
        if command is None:
            self.client.use(kept_link())
        self.canvas = Canvas(viewer, self.session)
        self.painter = Painter(self.canvas, self.session)
        self.proposal = Proposal(self.painter)
        self.importer = Importer(self.painter)
        self.activity = Activity(self.session, self)
        self.garbage = GuiThreadCollector(self)
        self.busy = ""
        self._users: set[int] = set()
        self._tokens = itertools.count()
        self._estimating = ""
        self.client.heard.connect(self._heard)
        self.client.state_changed.connect(self._engine_changed)
        self.canvas.view_changed.connect(self._send_view)
        self._flushed.connect(self._strokes_flushed)
        self._flush_failed.connect(self._say_unsaved)
        self._flush_recovered.connect(lambda: self._say("info", "Strokes are on disk again"))
        self.session.said.connect(self._notify)
        self.session.job_ended.connect(self._job_ended)
        self._counting = QTimer(self)
        self._counting.setSingleShot(True)
        self._counting.setInterval(COUNT_EVERY_MS)
        self._counting.timeout.connect(self.session.recount)
        self._sketching = ""
        self._sketch_soon = QTimer(self)
        self._sketch_soon.setSingleShot(True)
        self._sketch_soon.setInterval(SKETCH_AFTER_MS)
        self._sketch_soon.timeout.connect(self._sketch)
        QApplication.instance().aboutToQuit.connect(self.close)

    # who uses it

    def use(self) -> int:
        """Take note that a widget opened; return the token with which it lets go."""
        token = next(self._tokens)
        self._users.add(token)
        self._ending = False
        return token

    def release(self, token: int) -> None:
        """Take note that a widget closed; after the last one the engine goes, its work saved."""
        if token not in self._users:
            return
        self._users.remove(token)
        if self._users:
            return
        if self.session.job is None:
            self.client.free()
        else:
            self._ending = True
            self.stop()

    def close(self) -> None:
        """Put everything on disk and end the engine."""
        self.activity.close()
        self._counting.stop()
        self.client.close()
        self.session.end()
        self.garbage.release()

    # words for the user

    def attempt(self, action: Callable[..., Any], *arguments: Any) -> bool:
        """Do something; where it is refused, say why. Return whether it was done."""
        try:
            action(*arguments)
        except InputError as error:
            self.session.said.emit("warning", str(error))
            return False
        return True

    def _say(self, level: str, text: str) -> None:
        self.session.said.emit(level, text)

    def _notify(self, level: str, text: str) -> None:
        if level == "error":
            show_error(text)
        elif level == "warning":
            show_warning(text)

    def _set_busy(self, text: str) -> None:
        self.busy = text
        self.busy_changed.emit(text)

    # projects

    def create_project(
        self,
        layer: Any,
        folder: Path,
        spacing: Any = None,
        *,
        channels: tuple[int, ...] = (),
        level: int = 0,
    ) -> None:
        """Make a project of an image layer, in a thread, and open it.

        Parameters
        ----------
        layer
            Image layer.
        folder
            New folder.
        spacing
            Voxel size (Z, Y, X) in nm, if it is not the layer's.
        channels, level
            Of the file that the layer shows, where it isn't what the layer shows.

        Raises
        ------
        InputError
            If the layer can't be used, or another project is being opened.
        """
        self._require_free()
        candidate = choose_part(candidate_of(layer), channels, level)
        if spacing is not None:
            candidate = type(candidate)(
                **{**vars(candidate), "spacing": spacing, "spacing_known": True}
            )
        self._set_busy(f"Making the project {folder.name}…")
        worker = create_worker(make_project, candidate, folder, _ignore_errors=True)
        shown = None if level else layer  # the project shows its level, and coarser ones
        worker.returned.connect(lambda project: self._opened(project, shown))
        if level:
            worker.returned.connect(lambda _: self.canvas.viewer.layers.remove(layer))
        if candidate.paint:
            worker.returned.connect(lambda _: self.canvas.hide_taken(candidate.paint))
        worker.errored.connect(self._not_opened)
        worker.start()

    def open_project(self, folder: Path, layer: Any = None) -> None:
        """Open a project folder, in a thread; refused in words while another one is opened.

        Parameters
        ----------
        folder
            Project folder.
        layer
            Layer that shows its image; if it shows another one, the project's own is added.
        """
        if not self.attempt(self._require_free):
            return
        self._set_busy(f"Opening {folder.name}…")
        shown = candidate_or_none(layer)
        worker = create_worker(open_with_image, folder, shown, _ignore_errors=True)
        worker.returned.connect(lambda found: self._opened_over(*found, layer))
        worker.errored.connect(lambda error: self._not_opened(error, folder))
        worker.start()

    def _opened_over(self, project: Project, fits: bool, layer: Any) -> None:
        self._opened(project, layer if fits else None)
        if layer is not None and not fits:
            self._say(
                "warning",
                f"{project.path.name} was painted on another image than {layer.name}, and is shown "
                f"with its own; for a project of {layer.name} name another folder",
            )

    def _require_free(self) -> None:
        if self.busy:
            raise InputError("a project is being opened", mend="wait until it is there")

    def _opened(self, project: Project, layer: Any) -> None:
        self._set_busy("")
        if self.session.project is not None:
            self.close_project()  # its annotation layer can't be painted on any more
        self.session.open(
            project,
            on_flushed=self._flushed.emit,
            on_error=lambda error: self._flush_failed.emit(str(error)),
            on_recovered=self._flush_recovered.emit,
        )
        self.canvas.show_project(layer)
        self.client.start()
        self._ask_estimate()

    def _ask_estimate(self) -> None:
        """Let the engine, idle still, find out how long things take; it also warms up by that."""
        path = str(self.session.require_project().path)
        self._estimating = self.client.submit(ask.InfoRequest(image=path, ahead=True))

    def _heard(self, event: Event) -> None:
        if event.job and event.job == self._estimating:
            if isinstance(event, Done):
                self.session.set_estimate(event.result)
        elif event.job and event.job == self._sketching:
            if isinstance(event, LayerUpdated):
                self.session.layer_updated.emit(event)
            elif isinstance(event, Done | Failed):
                self._sketching = ""
        else:
            self.session.hear(event)

    def _not_opened(self, error: Exception, folder: Path | None = None) -> None:
        self._set_busy("")
        if isinstance(error, ImageElsewhere):
            self._say("warning", str(error))
            self.image_elsewhere.emit(folder, error)
        else:
            self._say("error", str(error))

    def close_project(self) -> None:
        """Put the project away; its results stay as layers, paint, previews and pictures go.

        A job under way is stopped and finishes on disk; nothing of it is shown any more.
        """
        if self.session.job is not None:
            self.stop()
        if self._sketching:
            self.client.tell(ask.Cancel(job=self._sketching))
        self._sketching = self._estimating = ""
        if grid_of(self.canvas.viewer).enabled:
            set_side_by_side(self.canvas, False)
        self.canvas.forget_project()
        self.session.close()

    def _engine_changed(self, state: str) -> None:
        self.session.job_changed.emit()

    # rounds

    def delete_round(self, made: Round) -> None:
        """Delete a round's model and scores, its predictions, and the layers that show them."""
        made.delete()
        project = self.session.require_project()
        self.canvas.remove_layers("prediction", str(made.number))
        for role in ("probabilities", "uncertainty"):
            self.canvas.remove_layers(role, project.prediction_path(made.number, role).stem)
        self.session.forget_round(made.number)

    def show_rounds(self, numbers: Sequence[int]) -> None:
        """Show the predictions of some rounds side by side, and no other labels.

        Raises
        ------
        InputError
            If one of them is not predicted yet.
        """
        viewer = self.canvas.viewer
        layers = {n: find_layer(viewer, "prediction", str(n)) for n in numbers}
        for number, layer in layers.items():
            if layer is None:
                name = self.session.require_project().round(number).name
                raise InputError(f"{name} is not predicted yet", mend="choose it, press Predict")
        for layer in viewer.layers:
            if isinstance(layer, Labels) and layer is not self.canvas.paint_layer:
                layer.visible = layer in layers.values()
        set_side_by_side(self.canvas, True)

    # strokes and view, while the engine works

    def _strokes_flushed(self, regions: list[Region]) -> None:
        job = self.session.job
        if job is not None and job.kind == "train" and self.session.owns(job):
            self.client.tell(ask.StrokesChanged(regions=tuple(map(bounds_of, regions))))
        elif job is None and not self._sketch_soon.isActive():
            self._sketch_soon.start()
        if self.session.project is not None and not self._counting.isActive():
            self._counting.start()

    def _sketch(self) -> None:
        """Show a first answer from the strokes so far, as long as nothing is trained."""
        session, project = self.session, self.session.project
        wanted = session.live and not session.held_still and session.job is None
        if not wanted or project is None or project.rounds():
            return
        view = self.canvas.visible_region()
        if self._sketching:
            self._sketch_soon.start()  # the last one is still being made
        elif view is not None and sum(n > 0 for n in session.training_counts().values()) > 1:
            request = ask.SketchRequest(
                project=str(project.path),
                region=bounds_of(view),
                generation=self.canvas.generation,
                settings=session.train_settings,
            )
            self._sketching = self.client.submit(request)

    def _say_unsaved(self, reason: str) -> None:
        self._say("error", f"Strokes cannot be saved, they are kept in memory: {reason}")

    def hold_preview(self, on: bool) -> None:
        """Leave the preview as it is, or let it follow view and model again."""
        self.session.held_still = on
        self.canvas.announce_view()

    def _send_view(self, region: Region | None, generation: int) -> None:
        bounds = None
        beside: tuple[Bounds, ...] = ()
        if region is not None and not self.session.held_still:
            if self.canvas.viewer.dims.ndisplay == 3:
                region = box_around(region, self.canvas.point.voxel(), MOST_IN_3D)
            bounds = bounds_of(region)
            beside = tuple(map(bounds_of, self.canvas.planes_beside()))
        self.client.tell(ask.View(region=bounds, generation=generation, beside=beside))
