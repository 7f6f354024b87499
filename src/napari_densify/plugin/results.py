"""Layers of what the engine made: predictions, previews, maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from napari.utils.colormaps import Colormap
from qtpy.QtCore import QObject

from napari_densify.core.errors import InputError
from napari_densify.core.events import LayerUpdated
from napari_densify.core.labels import LabelClass
from napari_densify.core.model_file import read_spec
from napari_densify.io import open_image, open_labels
from napari_densify.plugin.arrays import ChannelView, pyramid_of
from napari_densify.plugin.layers import (
    add_quietly,
    class_colormap,
    find_layer,
    mark_layer,
    protect,
    when_hands_are_off,
)
from napari_densify.plugin.session import Session
from napari_densify.plugin.window import EDGE, needs_window

__all__ = ["SOURCE", "Results", "labels_levels"]

SOURCE = "densify_path"
"""Key of a layer's metadata: the file that it shows."""


class Results(QObject):
    """Shows results, each in a layer that is kept when the result grows or is made anew.

    Parameters
    ----------
    viewer
        Gives the napari viewer.
    session
        Whose results are shown.
    place
        Gives scale, units and offset of the volume, as arguments of a layer.
    """

    def __init__(
        self,
        viewer: Callable[[], Any],
        session: Session,
        place: Callable[[], dict[str, Any]],
    ) -> None:
        super().__init__()
        self._viewer, self.session, self._place = viewer, session, place
        self._shown_for: dict[str, str] = {}

    def show(self, event: LayerUpdated) -> None:
        """Show what an event tells of, as soon as no stroke is under way."""
        when_hands_are_off(lambda: self._show(event))

    def _show(self, event: LayerUpdated) -> None:
        path = Path(event.path)
        try:
            if event.role == "preview":
                title = event.message or "Live preview"
                self.show_labels(path, "preview", title, "preview", self._is_new("preview"))
            elif event.role in ("probabilities", "uncertainty"):
                self._show_maps(path, event.role)
            elif event.role == "instances":
                self.show_labels(path, "instances", event.name, path.stem)
            else:
                self._show_result(path, event)
        except (InputError, OSError) as error:
            self.session.said.emit("warning", f"{path.name} cannot be shown: {error}")

    def _show_result(self, path: Path, event: LayerUpdated) -> None:
        job = self.session.job
        if _is_prediction(path):
            number = str(int(path.stem))
            fresh = self._is_new(number) or event.final
            self.show_labels(path, "prediction", f"Prediction {number}", number, fresh)
            self._hide_preview()
        elif path.stem.isdigit():
            return  # a round that was compared: its prediction has a layer already
        elif job is None or job.kind != "predict" or path.parent.name == "labels":
            self.show_labels(path, "method", event.name, path.stem, event.final)

    def _is_new(self, name: str) -> bool:
        """Whether the job under way shows this array for the first time."""
        number = self.session.job.id if self.session.job else ""
        new = self._shown_for.get(name) != number
        self._shown_for[name] = number
        return new

    def _hide_preview(self) -> None:
        """Make way for a prediction of the whole volume."""
        preview = find_layer(self._viewer(), "preview", "preview")
        if preview is not None:
            preview.visible = False

    def show_labels(
        self, path: Path, role: str, title: str, name: str, reopen: bool = True
    ) -> None:
        """Show labels from disk in a read-only layer, or refresh the one that shows them."""
        layer = find_layer(self._viewer(), role, name)
        if layer is not None and layer.name != title:
            layer.name = title
        if layer is not None and not reopen:
            layer.refresh()
            return
        data = labels_levels(path)
        if layer is not None:
            layer.metadata[SOURCE] = str(path)
        if layer is not None and layer.multiscale == isinstance(data, list):
            layer.data = data
            layer.visible = True
            layer.refresh()
            return
        if layer is not None:
            self._viewer().layers.remove(layer)
        self._add_labels(data, role, title, name).metadata[SOURCE] = str(path)

    def _add_labels(self, data: Any, role: str, title: str, name: str) -> Labels:
        layer = Labels(data, name=title, opacity=0.5, **self._place())
        if role != "instances":  # ids keep napari's colours: neighbours are told apart
            layer.colormap = class_colormap(self.session.classes, dense=True)
        mark_layer(layer, role, name)
        layer.metadata["densify_classes"] = self.session.classes.model_dump(mode="json")
        protect(layer)
        add_quietly(self._viewer(), layer, below=find_layer(self._viewer(), "paint"))
        return layer

    def _show_maps(self, path: Path, role: str) -> None:
        """Show probabilities, a layer for each class in its colour, or the uncertainty."""
        data = open_image(path).data
        if len(data.shape) == 3:
            self._show_image(data, role, path.stem, name=role.capitalize(), colormap="magma")
            return
        for channel, row in enumerate(self._classes_of(path)):
            self._show_image(
                ChannelView(data, channel),
                role,
                f"{path.stem} {row.value}",
                name=f"Probability of {row.name}",
                colormap=Colormap(["black", row.color], name=f"black to {row.color}"),
                contrast_limits=(0, 255),  # 255 is 1
                visible=not row.background,
            )

    def _classes_of(self, path: Path) -> tuple[LabelClass, ...]:
        """Classes of the round that predicted: they may have been changed since."""
        number = int(path.stem.partition("-")[0])
        return read_spec(self.session.require_project().round(number).model).classes.classes

    def _show_image(self, data: Any, role: str, key: str, **options: Any) -> None:
        layer = find_layer(self._viewer(), role, key)
        if layer is not None:
            layer.data = data
            return
        layer = Image(data, blending="additive", **options, **self._place())
        mark_layer(layer, role, key)
        add_quietly(self._viewer(), layer, below=find_layer(self._viewer(), "paint"))


def labels_levels(path: Path) -> Any:
    """Open labels for a layer: as levels where a plane is too large to be shown as a whole."""
    volume = open_labels(path)
    if not needs_window(volume.shape):
        return volume.data
    stored = range(max(1, len(volume.metadata["levels"])))
    return pyramid_of([open_labels(path, level=i).data for i in stored], EDGE // 4)


def _is_prediction(path: Path) -> bool:
    return path.parent.name == "predictions" and path.stem.isdigit()
