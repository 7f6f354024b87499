"""What the viewer shows of a session: image, annotation layer, predictions, preview."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal
from superqt.utils import qthrottled

from napari_densify.core.blocks import Region, full_region
from napari_densify.core.errors import InputError
from napari_densify.core.events import LayerUpdated
from napari_densify.io import open_labels
from napari_densify.plugin import painting
from napari_densify.plugin.layers import (
    add_quietly,
    class_colormap,
    find_layer,
    mark_layer,
    place_like,
    protect,
    set_spacing,
    when_hands_are_off,
)
from napari_densify.plugin.session import Session

__all__ = ["Canvas"]

PAINT_NAME = "Annotations"


class Canvas(QObject):
    """Keeps the layers of a viewer in step with a session.

    Parameters
    ----------
    viewer
        napari viewer.
    session
        State to show.
    """

    view_changed = Signal(object, int)
    """Region on screen (or None) and its number."""
    slice_changed = Signal(int)
    class_chosen = Signal(int)

    def __init__(self, viewer: Any, session: Session) -> None:
        super().__init__()
        self._viewer = ref(viewer)
        self.session = session
        self.generation = 0
        self._shown_for: dict[tuple[str, str], str] = {}
        self._next = 0
        session.classes_changed.connect(self._recolor)
        session.project_changed.connect(self._respace)
        session.layer_updated.connect(self._layer_updated)
        viewer.dims.events.current_step.connect(self._slice_moved)
        viewer.dims.events.order.connect(self._slice_moved)

    @property
    def viewer(self) -> Any:
        """The viewer; referred to weakly, so that it can go."""
        return self._viewer()

    # layers

    @property
    def paint_layer(self) -> Labels | None:
        """The annotation layer, if it is there."""
        return find_layer(self.viewer, "paint")

    @property
    def image_layer(self) -> Image | None:
        """The project's image layer, if it is there."""
        return find_layer(self.viewer, "image")

    @property
    def prediction_layer(self) -> Labels | None:
        """The prediction of the chosen round, or else any."""
        layers = [x for x in self.viewer.layers if _role(x) == "prediction"]
        name = str(self.session.round_number)
        return next((x for x in layers if x.metadata["densify"]["name"] == name), None) or (
            layers[-1] if layers else None
        )

    def show_project(self, image: Any = None) -> None:
        """Show image and strokes of the project that was just opened; go into paint mode."""
        project = self.session.require_project()
        if image is None:
            image = self._add_image()
        mark_layer(image, "image")
        set_spacing(image, project.spacing)
        self.show_paint()
        for number in [r.number for r in project.rounds()]:
            path = project.prediction_path(number)
            if path.exists():
                self._show_labels(path, "prediction", f"Prediction {number}", str(number))

    def _add_image(self) -> Image:
        volume = self.session.require_project().image()
        first = None
        for channel in range(volume.channels):
            data = volume.data if volume.channels == 1 else ChannelView(volume.data, channel)
            layer = Image(
                data, name=volume.name, **place_like(None, volume.spacing), blending="additive"
            )
            layer.metadata["densify_source"] = volume.source
            self.viewer.add_layer(layer)
            first = first or layer
        assert first is not None
        return first

    def show_paint(self) -> None:
        """Show the annotation layer on top and make it ready to paint."""
        layer = self.paint_layer
        if layer is None:
            layer = self._new_paint_layer()
            self.viewer.add_layer(layer)
            bind_keys(layer, self)
        self.viewer.layers.selection.active = layer
        layer.selected_label = self.session.classes.values[-1]
        layer.mode = "paint"

    def _new_paint_layer(self) -> Labels:
        session = self.session
        project = session.require_project()
        layer = Labels(
            session.paint,
            name=PAINT_NAME,
            colormap=class_colormap(session.classes, dense=False),
            opacity=0.6,
            **place_like(self.image_layer, project.spacing),
        )
        layer.brush_size = max(3, round(max(project.shape[1:]) / 60))
        mark_layer(layer, "paint")
        layer.metadata["densify_classes"] = session.classes.model_dump(mode="json")
        layer.editable = not project.read_only
        layer.events.selected_label.connect(lambda: self.class_chosen.emit(layer.selected_label))
        return layer

    def forget_project(self) -> None:
        """Take away the annotation layer (its strokes are on disk), keep everything else."""
        if self.paint_layer is not None:
            self.viewer.layers.remove(self.paint_layer)
        for layer in self.viewer.layers:
            layer.metadata.pop("densify", None)

    def _recolor(self) -> None:
        for layer in self.viewer.layers:
            role = _role(layer)
            if role in ("paint", "prediction", "method", "preview"):
                layer.colormap = class_colormap(self.session.classes, dense=role != "paint")
                layer.metadata["densify_classes"] = self.session.classes.model_dump(mode="json")
        if self.paint_layer is not None:
            bind_keys(self.paint_layer, self)

    def _respace(self) -> None:
        if self.session.project is None:
            return
        for layer in self.viewer.layers:
            if _role(layer):
                set_spacing(layer, self.session.project.spacing)

    # results

    def _layer_updated(self, event: LayerUpdated) -> None:
        if event.role == "preview" and event.generation < self.generation and event.generation:
            return
        when_hands_are_off(lambda: self._show_update(event))

    def _show_update(self, event: LayerUpdated) -> None:
        job = self.session.job
        kind = job.kind if job else ""
        path = Path(event.path)
        try:
            if event.role == "preview":
                title = event.message or "Live preview"
                self._show_labels(path, "preview", title, "preview", self._is_new("preview"))
            elif event.role in ("probabilities", "uncertainty"):
                self._show_image(path, event.role)
            elif _is_prediction(path):
                number = str(int(path.stem))
                fresh = self._is_new(number) or event.final
                self._show_labels(path, "prediction", f"Prediction {number}", number, fresh)
                self._hide_preview()
            elif path.stem.isdigit():
                return  # a round that was compared: its prediction has a layer already
            elif kind != "predict" or path.parent.name == "labels":
                self._show_labels(path, "method", event.name, path.stem, event.final)
        except (InputError, OSError) as error:
            self.session.said.emit("warning", f"{path.name} cannot be shown: {error}")

    def _is_new(self, name: str) -> bool:
        """Whether the job under way shows this array for the first time."""
        job = self.session.job
        key, number = ("job", name), job.id if job else ""
        new = self._shown_for.get(key) != number
        self._shown_for[key] = number
        return new

    def _hide_preview(self) -> None:
        """Make way for a prediction of the whole volume."""
        preview = find_layer(self.viewer, "preview", "preview")
        if preview is not None:
            preview.visible = False

    def _show_labels(
        self, path: Path, role: str, title: str, name: str, reopen: bool = True
    ) -> None:
        """Show labels from disk in a read-only layer, or refresh the one that shows them."""
        layer = find_layer(self.viewer, role, name)
        if layer is not None and layer.name != title:
            layer.name = title
        if layer is not None and not reopen:
            layer.refresh()
            return
        data = open_labels(path).data
        if layer is not None:
            layer.data = data
            layer.visible = True
            layer.refresh()
            return
        layer = Labels(
            data,
            name=title,
            colormap=class_colormap(self.session.classes, dense=True),
            opacity=0.5,
            **self._place(),
        )
        mark_layer(layer, role, name)
        layer.metadata["densify_classes"] = self.session.classes.model_dump(mode="json")
        protect(layer)
        add_quietly(self.viewer, layer, below=self.paint_layer)

    def _show_image(self, path: Path, role: str) -> None:
        layer = find_layer(self.viewer, role, path.stem)
        if layer is not None:
            layer.refresh()
            return
        from napari_densify.io import open_image

        data = open_image(path).data
        if len(data.shape) == 4:
            data = ChannelView(data, -1)
        layer = Image(
            data, name=role.capitalize(), colormap="magma", blending="additive", **self._place()
        )
        mark_layer(layer, role, path.stem)
        add_quietly(self.viewer, layer, below=self.paint_layer)

    def _place(self) -> dict[str, Any]:
        return place_like(self.image_layer, self.session.require_project().spacing)

    def remove_layers(self, role: str) -> None:
        """Take away all layers of a role."""
        for layer in [x for x in self.viewer.layers if _role(x) == role]:
            self.viewer.layers.remove(layer)

    # where the user is

    @property
    def current_slice(self) -> int:
        """Z slice on screen."""
        step = self.viewer.dims.current_step
        return int(step[-3]) if len(step) >= 3 else 0

    def go_to_slice(self, z: int) -> None:
        """Show a Z slice."""
        self.viewer.dims.set_current_step(self.viewer.dims.ndim - 3, z)

    def go_to_plane(self, axis: str, index: int) -> None:
        """Show a slice across any axis (``z``, ``y`` or ``x``)."""
        number = {"z": 0, "y": 1, "x": 2}[axis.lower()]
        extra = self.viewer.dims.ndim - 3
        others = [i for i in range(3) if i != number]
        self.viewer.dims.order = (*range(extra), *(extra + i for i in (number, *others)))
        self.viewer.dims.set_current_step(extra + number, index)

    def _slice_moved(self) -> None:
        self.slice_changed.emit(self.current_slice)
        self.announce_view()

    @qthrottled(timeout=60)
    def announce_view(self) -> None:
        """Tell the engine what is on screen now."""
        if self.session.project is not None:
            self.generation += 1
            self.view_changed.emit(self.visible_region(), self.generation)

    def next_suggestion(self) -> None:
        """Go to the next of the suggested slices.

        Raises
        ------
        InputError
            If none is suggested.
        """
        suggested = self.session.suggested
        if not suggested:
            raise InputError("no slice is suggested yet", mend="press Suggest next slice")
        choice = suggested[self._next % len(suggested)]
        self._next += 1
        self.go_to_plane(str(choice["axis"]), int(choice["index"]))

    def first_suggestion(self) -> None:
        """Go to the best of the slices just suggested."""
        self._next = 0
        self.next_suggestion()

    def visible_region(self) -> Region | None:
        """Part of the volume on screen: a slice, or the whole in the 3D view."""
        project = self.session.project
        if project is None:
            return None
        if self.viewer.dims.ndisplay == 3:
            return full_region(project.shape)
        axis = self.viewer.dims.order[-3] - (self.viewer.dims.ndim - 3)
        index = int(self.viewer.dims.current_step[self.viewer.dims.order[-3]])
        region = list(self._on_screen(project.shape))
        index = min(index, project.shape[axis] - 1)
        region[axis] = slice(index, index + 1)
        z, y, x = region
        return z, y, x

    def _on_screen(self, shape: tuple[int, int, int]) -> Region:
        layer = self.image_layer
        if layer is None or layer.ndim != 3:
            return full_region(shape)
        low, high = np.asarray(layer.corner_pixels)[:, -3:]
        sides = [
            slice(max(0, int(a)), min(n, int(b) + 1)) if 0 <= a < n and b > a else slice(0, n)
            for a, b, n in zip(low, high, shape, strict=True)
        ]
        z, y, x = sides
        return z, y, x

    # painting aids, each undoable in the layer

    def with_paint(self, action: Callable[..., int], *arguments: Any) -> int:
        """Run a painting aid on the annotation layer and the plane on screen.

        Raises
        ------
        InputError
            If there is no annotation layer or several planes are on screen.
        """
        layer = self.paint_layer
        if layer is None:
            raise InputError("there is no annotation layer", mend="press Show annotations")
        if self.viewer.dims.ndisplay == 3:
            raise InputError("this works on one slice", mend="go back to the 2D view")
        axis = self.viewer.dims.order[-3]
        index = int(self.viewer.dims.current_step[axis])
        return action(layer, axis, index, *arguments)

    def fill_rest(self) -> int:
        """Paint what is unpainted of this slice as background."""
        background = self.session.classes.background
        if background is None:
            raise InputError(
                "no class is flagged as background", mend="tick Backgr. in the class table"
            )
        return self.with_paint(painting.fill_rest, background)

    def accept_slice(self) -> int:
        """Copy the prediction into what is unpainted of this slice."""
        source = self.prediction_layer
        if source is None:
            raise InputError("there is no prediction yet", mend="press Predict first")
        return self.with_paint(painting.accept, source.data)

    def erase_slice(self) -> int:
        """Erase this slice to unlabelled."""
        return self.with_paint(painting.erase)

    def toggle_held_out(self) -> None:
        """Hold the slice on screen out of training, or give it back."""
        z = self.current_slice
        self.session.set_held_out(z, z not in self.session.held_out)


class ChannelView:
    """One channel of a ``(C, Z, Y, X)`` array, as an array; nothing is read ahead."""

    def __init__(self, array: Any, channel: int) -> None:
        self._array = array
        self._channel = channel
        self.shape = tuple(array.shape[1:])
        self.dtype = array.dtype
        self.ndim = 3

    def __getitem__(self, key: Any) -> Any:
        rest = key if isinstance(key, tuple) else (key,)
        return self._array[(self._channel, *rest)]


def _role(layer: Any) -> str:
    return layer.metadata.get("densify", {}).get("role", "")


def _is_prediction(path: Path) -> bool:
    return path.parent.name == "predictions" and path.stem.isdigit()


def bind_keys(layer: Labels, canvas: Canvas) -> None:
    """Keys of the annotation layer: classes by theirs, H hold out, R rest, A accept, N next."""

    def attempt(action: Callable[[], Any]) -> Callable[[Any], None]:
        def run(_: Any) -> None:
            try:
                action()
            except InputError as error:
                canvas.session.said.emit("warning", str(error))

        return run

    def choose(value: int) -> Callable[[Any], None]:
        def run(target: Any) -> None:
            target.selected_label = value
            if target.mode not in ("paint", "fill", "polygon"):
                target.mode = "paint"

        return run

    keys = {c.key: choose(c.value) for c in canvas.session.classes.classes if c.key}
    actions = {
        "h": attempt(canvas.toggle_held_out),
        "r": attempt(canvas.fill_rest),
        "a": attempt(canvas.accept_slice),
        "n": attempt(canvas.next_suggestion),
    }
    for key, run in {**actions, **keys}.items():
        layer.bind_key(key.upper() if key.isalpha() else key, run, overwrite=True)
