"""The annotation layer on planes that are too large for one: it follows the view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Labels
from superqt.utils import qthrottled

from napari_densify.annotations import PaintedArray
from napari_densify.plugin.layers import when_hands_are_off
from napari_densify.plugin.view import axes_on_screen, camera_of, visible_box
from napari_densify.plugin.window import Absolute, Frame, PaintWindow, frame_for, needs_window

__all__ = ["WindowFollower", "paint_data"]

PAINTING = ("paint", "fill", "polygon", "erase")


def paint_data(viewer: Any, image: Any, paint: PaintedArray) -> Any:
    """Return what the annotation layer holds: the paint, or a window onto it."""
    if not needs_window(paint.shape):
        return paint
    return PaintWindow(paint, _frame(viewer, image, paint.shape, None))


def _frame(viewer: Any, layer: Any, shape: tuple[int, int, int], now: Frame | None) -> Frame:
    return frame_for(shape, visible_box(viewer, layer, shape), axes_on_screen(viewer), now)


class WindowFollower:
    """Moves the window of the annotation layer to where the user looks.

    Parameters
    ----------
    viewer
        napari viewer.
    image
        Layer that lies over the whole volume.
    layer
        Annotation layer, on a :class:`PaintWindow`.
    place
        Gives scale and offset of the whole volume, as arguments of a layer.
    say
        Takes a line for the user.
    """

    def __init__(
        self,
        viewer: Any,
        image: Any,
        layer: Labels,
        place: Callable[[], dict[str, Any]],
        say: Callable[[str], None],
    ) -> None:
        self._viewer, self._image, self._layer = viewer, image, layer
        self._place, self._say = place, say
        self._mode = ""
        self._ended = False
        camera, dims = camera_of(viewer), viewer.dims
        self._signals = [camera.events.center, camera.events.zoom, dims.events.order]
        self._signals += [dims.events.ndisplay, layer.events.translate, layer.events.scale]
        for signal in self._signals:
            signal.connect(self._soon)
        layer.events.mode.connect(self._keep_off)
        layer.events.paint.connect(_pin)
        self.place()

    def let_go(self) -> None:
        """Stop following."""
        self._ended = True
        for signal in self._signals:
            signal.disconnect(self._soon)

    @qthrottled(timeout=30)
    def _soon(self, event: Any = None) -> None:
        when_hands_are_off(self.follow)

    def follow(self) -> None:
        """Move the window, if what is on screen isn't in it or could be shown finer."""
        if self._ended:
            return
        window: PaintWindow = self._layer.data
        frame = _frame(self._viewer, self._image, window.paint.shape, window.frame)
        if frame == window.frame:
            return
        before, window.frame = window.frame, frame
        self.place()
        if before.paintable != frame.paintable:
            self._change_mode(frame.paintable)

    def place(self) -> None:
        """Put the layer over the voxels that it shows now."""
        layer, frame, place = self._layer, self._layer.data.frame, self._place()
        spacing, step = np.asarray(place["scale"]), np.asarray(frame.step)
        layer.scale = spacing * step
        layer.translate = place["translate"] + spacing * (frame.origin + (step - 1) / 2)
        layer.refresh()  # its extent may be another now
        if not layer.loaded:  # with slices loaded in a thread, old paint would lie elsewhere
            layer.set_view_slice()
            layer.events.set_data()

    def _change_mode(self, paintable: bool) -> None:
        """Put the brush away where it can't paint, and take it up again."""
        if paintable and self._mode:
            self._layer.mode, self._mode = self._mode, ""
        elif not paintable and str(self._layer.mode) in PAINTING:
            self._mode = str(self._layer.mode)
            self._layer.mode = "pan_zoom"

    def _keep_off(self, event: Any = None) -> None:
        if str(self._layer.mode) in PAINTING and not self._layer.data.frame.paintable:
            self._change_mode(False)
            self._say("zoom in to paint: from here only a part of the voxels is shown")


def _pin(event: Any) -> None:
    """Let napari's undo history refer to voxels of the volume: the window may move meanwhile."""
    window = event.source.data
    item = event.value
    item[:] = [_pinned(atom, window) for atom in item]


def _pinned(atom: Any, window: PaintWindow) -> Any:
    if isinstance(atom[0], Absolute):
        return atom
    key = Absolute(window.absolute(atom[0]))
    return atom._replace(slice_key=key) if hasattr(atom, "_replace") else (key, *atom[1:])
