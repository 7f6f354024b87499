"""What the viewer shows of a session: image, annotation layer, predictions, preview."""

from __future__ import annotations

from typing import Any
from weakref import ref

from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal
from superqt.utils import qthrottled

from napari_densify.core.blocks import Region, full_region
from napari_densify.core.errors import InputError
from napari_densify.core.events import LayerUpdated
from napari_densify.core.labels import UNLABELLED
from napari_densify.plugin.candidates import PAINT
from napari_densify.plugin.follower import WindowFollower, paint_data
from napari_densify.plugin.images import image_layers
from napari_densify.plugin.layers import (
    class_colormap,
    find_layer,
    lie_over,
    mark_layer,
    place_like,
    protect,
    set_spacing,
)
from napari_densify.plugin.results import Results
from napari_densify.plugin.session import Session
from napari_densify.plugin.view import ViewPoint, camera_of, planes_beside, visible_box
from napari_densify.plugin.window import EDGE, PaintWindow

__all__ = ["Canvas"]

PAINT_NAME = "Annotations"

PASSING = ("proposal", "preview", "picture", "grid")
"""Roles of layers that mean nothing without their project."""


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
    paint_layer_shown = Signal(object)
    """The annotation layer, newly made."""

    def __init__(self, viewer: Any, session: Session) -> None:
        super().__init__()
        self._viewer = ref(viewer)
        self.session = session
        self.generation = 0
        self.point = ViewPoint(self._viewer, lambda: self.image_layer)
        self.results = Results(self._viewer, session, self._place)
        self._follower: WindowFollower | None = None
        self._announced: Region | None = None
        self._next = self._label = 0
        session.classes_changed.connect(self._recolor)
        session.project_changed.connect(self._respace)
        session.layer_updated.connect(self._layer_updated)
        viewer.dims.events.current_step.connect(self._slice_moved)
        viewer.dims.events.order.connect(self._slice_moved)
        viewer.dims.events.ndisplay.connect(self._slice_moved)
        camera = camera_of(viewer)
        camera.events.center.connect(self._camera_moved)
        camera.events.zoom.connect(self._camera_moved)

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
        """The prediction of the chosen round, if it is there."""
        try:
            chosen = self.session.chosen_round()
        except InputError:
            return None
        return find_layer(self.viewer, "prediction", str(chosen.number))

    def show_project(self, image: Any = None) -> None:
        """Show image and strokes of the project that was just opened; go into paint mode."""
        project = self.session.require_project()
        if image is None or image not in self.viewer.layers:
            image = self._add_image()
        mark_layer(image, "image")
        self._respace()
        self.show_paint()
        for number in [r.number for r in project.rounds()]:
            path = project.prediction_path(number)
            if path.exists():
                title = f"Prediction {number}"
                self.results.show_labels(path, "prediction", title, str(number))

    def hide_taken(self, paint: str) -> None:
        """Hide the layer of a file of annotations that is paint of the project now."""
        for layer in self.viewer.layers:
            if isinstance(layer, Labels) and layer.metadata.get(PAINT) == paint:
                layer.visible = False

    def _add_image(self) -> Image:
        layers = image_layers(self.session.require_project())
        for layer in layers:
            self.viewer.add_layer(layer)
        return layers[0]

    def show_paint(self) -> None:
        """Show the annotation layer on top and make it ready to paint."""
        layer = self.paint_layer
        if layer is None:
            layer = self._new_paint_layer()
            layer.selected_label = self.session.classes.values[-1]
            self.viewer.add_layer(layer)
            self._follow(layer)
            self.paint_layer_shown.emit(layer)
        layer.visible = True
        self.viewer.layers.selection.active = layer
        if layer.editable:
            layer.mode = "paint"

    def _new_paint_layer(self) -> Labels:
        session = self.session
        project = session.require_project()
        assert session.paint is not None
        layer = Labels(
            paint_data(self.viewer, self.image_layer, session.paint),
            name=PAINT_NAME,
            colormap=class_colormap(session.classes, dense=False),
            opacity=0.6,
            **self._place(),
        )
        layer.brush_size = max(3, round(min(EDGE, *project.shape[1:]) / 60))
        mark_layer(layer, "paint")
        layer.metadata["densify_classes"] = session.classes.model_dump(mode="json")
        if project.read_only:
            protect(layer)
        layer.events.selected_label.connect(lambda: self._label_chosen(layer))
        return layer

    def _label_chosen(self, layer: Labels) -> None:
        """Tell which class is painted; leave a label that is none, as its paint can't be seen."""
        value, classes = layer.selected_label, self.session.classes.values
        if value in (UNLABELLED, *classes):
            self._label = value
            self.class_chosen.emit(value)
        else:
            layer.selected_label = self._label if self._label in classes else classes[-1]
            self.session.said.emit("warning", f"label {value} is no class: press Add class first")

    def _follow(self, layer: Labels) -> None:
        """Keep a window where the user looks."""
        image, project = self.image_layer, self.session.require_project()
        if isinstance(layer.data, PaintWindow) and image is not None:
            self._follower = WindowFollower(
                self.viewer,
                image,
                layer,
                lambda: place_like(image, project.spacing),
                lambda text: self.session.said.emit("warning", text),
            )

    def forget_project(self) -> None:
        """Take away the annotation layer (its strokes are on disk) and what is only for now.

        Results stay, as layers of the user's own.
        """
        if self._follower is not None:
            self._follower.let_go()
            self._follower = None
        for role in ("paint", *PASSING):
            self.remove_layers(role)
        for layer in self.viewer.layers:
            layer.metadata.pop("densify", None)

    def _recolor(self) -> None:
        for layer in self.viewer.layers:
            role = _role(layer)
            if role in ("paint", "prediction", "method", "preview"):
                layer.colormap = class_colormap(self.session.classes, dense=role != "paint")
                layer.metadata["densify_classes"] = self.session.classes.model_dump(mode="json")
            if role == "paint" and layer.selected_label not in self.session.classes.values:
                layer.selected_label = self.session.classes.values[-1]

    def _respace(self) -> None:
        """Give the voxel size to the layers of the project and to those that lie over its image."""
        project, image = self.session.project, self.image_layer
        if project is None:
            return
        at = self.point.voxel()
        beside = [x for x in self.viewer.layers if image is not None and lie_over(x, image)]
        for layer in {*beside, *filter(_role, self.viewer.layers)}:
            if not isinstance(layer.data, PaintWindow):
                set_spacing(layer, project.spacing)
        for axis, index in enumerate(at if image is not None else ()):
            self.point.move(axis, index)  # the slice on screen stays
        if self._follower is not None:
            self._follower.place()

    # results

    def _layer_updated(self, event: LayerUpdated) -> None:
        stale = event.role == "preview" and 0 < event.generation < self.generation
        if not stale:
            self.results.show(event)

    def _place(self) -> dict[str, Any]:
        return place_like(self.image_layer, self.session.require_project().spacing)

    def remove_layers(self, role: str, name: str = "") -> None:
        """Take away all layers of a role, or those of one result, whatever their class."""
        for layer in [x for x in self.viewer.layers if _role(x) == role]:
            # The name of a map of one class is that of the result, a space, and the class.
            if not name or layer.metadata["densify"]["name"].partition(" ")[0] == name:
                self.viewer.layers.remove(layer)

    # where the user is

    @property
    def current_slice(self) -> int:
        """Z slice on screen."""
        return self.point.z

    def plane_on_screen(self) -> tuple[str, int]:
        """Plane (``XY``, ``XZ``, ``YZ``) and number of the slice on screen."""
        return self.point.plane()

    def go_to_slice(self, z: int) -> None:
        """Show a Z slice."""
        self.point.move(0, z)

    def _slice_moved(self) -> None:
        self.slice_changed.emit(self.current_slice)
        self.announce_view()

    @qthrottled(timeout=200)
    def _camera_moved(self, event: Any = None) -> None:
        if self.session.project is not None and self.visible_region() != self._announced:
            self.announce_view()

    @qthrottled(timeout=60)
    def announce_view(self) -> None:
        """Tell the engine what is on screen now."""
        if self.session.project is not None:
            self.generation += 1
            self._announced = self.visible_region()
            self.view_changed.emit(self._announced, self.generation)

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
        self.point.go_to(str(choice["axis"]), int(choice["index"]))

    def first_suggestion(self) -> None:
        """Go to the best of the slices just suggested."""
        self._next = 0
        self.next_suggestion()

    def visible_region(self) -> Region | None:
        """Part of the volume on screen: of a slice, or the whole in the 3D view."""
        project, image = self.session.project, self.image_layer
        if project is None:
            return None
        if image is None:
            return full_region(project.shape)
        return visible_box(self.viewer, image, project.shape)

    def planes_beside(self) -> list[Region]:
        """Planes across the one on screen, through the same point."""
        project, image = self.session.project, self.image_layer
        if project is None or image is None:
            return []
        return planes_beside(self.viewer, image, project.shape)

    def toggle_held_out(self) -> None:
        """Hold the slice on screen out of training, or give it back."""
        z = self.current_slice
        self.session.set_held_out(z, z not in self.session.held_out)


def _role(layer: Any) -> str:
    return layer.metadata.get("densify", {}).get("role", "")
