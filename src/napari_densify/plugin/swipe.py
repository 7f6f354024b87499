"""Swipe: one result left of a line, another right of it, and a slider that moves the line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSlider

from napari_densify.plugin.layers import (
    add_quietly,
    class_colormap,
    find_layer,
    mark_layer,
    place_like,
    protect,
)
from napari_densify.plugin.pictures import DIVIDER, Swiped
from napari_densify.plugin.view import axes_on_screen
from napari_densify.plugin.workbench import Workbench

__all__ = ["Swipe"]

_STEPS = 1000
# Share of the length across that the line between the two takes.
_LINE = 1 / 300


class Swipe(QSlider):
    """The slider of a swipe; on screen while there is one.

    Parameters
    ----------
    bench
        Canvas and session.
    layers
        Gives the label layers that are hidden meanwhile.
    """

    def __init__(self, bench: Workbench, layers: Callable[[], list[Labels]]) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.bench, self._layers = bench, layers
        self._before: dict[Labels, bool] = {}
        self._pair: tuple[Labels, Labels] | None = None
        self.setObjectName("swipe-line")
        self.setToolTip("Moves the line: the result is left of it, what it is held against right")
        self.setRange(0, _STEPS)
        self.setValue(_STEPS // 2)
        self.setVisible(False)
        self.valueChanged.connect(self._move)

    @property
    def layer(self) -> Labels | None:
        """The layer that is shown, if any."""
        return find_layer(self.bench.canvas.viewer, "picture", "swipe")

    def start(self, first: Labels, second: Labels) -> str:
        """Show two layers, each on its side of the line; say which is where."""
        self.stop()
        self._pair = (first, second)
        self._before = {layer: layer.visible for layer in self._layers()}
        for layer in self._before:
            layer.visible = False
        canvas = self.bench.canvas
        classes = self.bench.session.classes
        shown = Labels(
            self._array(first, second),
            name=f"{first.name} | {second.name}",
            opacity=0.5,
            colormap=class_colormap(classes, dense=True, more={DIVIDER: "white"}),
            **place_like(canvas.image_layer, self.bench.session.require_project().spacing),
        )
        mark_layer(shown, "picture", "swipe")
        protect(shown)
        add_quietly(canvas.viewer, shown, below=canvas.paint_layer)
        canvas.viewer.dims.events.order.connect(self._move)
        self.setVisible(True)
        return f"Left: {first.name}. Right: {second.name}."

    def stop(self) -> None:
        """Take the layer away and give the others the visibility that they had."""
        viewer = self.bench.canvas.viewer
        layer, self._pair = self.layer, None
        viewer.dims.events.order.disconnect(self._move)
        if layer is not None:
            viewer.layers.remove(layer)
        for hidden, visible in self._before.items():
            hidden.visible = visible
        self._before = {}
        self.setVisible(False)

    @property
    def stale(self) -> bool:
        """Whether one of the two layers, or the picture itself, has been taken away."""
        layers = self.bench.canvas.viewer.layers
        return self._pair is not None and (
            self.layer is None or any(layer not in layers for layer in self._pair)
        )

    def _array(self, first: Labels, second: Labels) -> Swiped:
        axis = axes_on_screen(self.bench.canvas.viewer)[-1]
        length = self.bench.session.shape[axis]
        line = round(self.value() / _STEPS * length)
        arrays = [layer.data[0] if layer.multiscale else layer.data for layer in (first, second)]
        width = max(1, round(_LINE * length))
        return Swiped(arrays[0], arrays[1], axis=axis, line=line, width=width)

    def _move(self, *_: Any) -> None:
        layer = self.layer
        if layer is not None and self._pair is not None:
            layer.data = self._array(*self._pair)
