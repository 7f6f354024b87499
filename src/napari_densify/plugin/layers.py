"""Layers that come and go without getting in the user's way.

Every layer that Densify adds carries ``metadata["densify"]`` with its role, so that
it is found again after the user renamed it. Adding or refreshing one never changes
the selection, the mode, the slice, the camera or a stroke under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import AXES, Spacing

__all__ = [
    "active_image",
    "add_quietly",
    "class_colormap",
    "find_layer",
    "grid_of",
    "lie_over",
    "place_like",
    "set_spacing",
    "spacing_of",
    "when_hands_are_off",
]

KEY = "densify"
NM = ("nm", "nm", "nm")
_RETRY_MS = 40
_CLEAR = np.zeros(4, np.float32)


def class_colormap(
    classes: ClassTable, *, dense: bool, more: Mapping[int, str] | None = None
) -> DirectLabelColormap:
    """Colours of the classes, shared by paint and predictions.

    Parameters
    ----------
    classes
        Class table.
    dense
        True for predictions: there the background class is transparent.
    more
        Colours of values that are no classes.
    """
    colors: dict[int | None, Any] = {None: _CLEAR, 0: _CLEAR} | dict(more or {})
    for row in classes.classes:
        colors[row.value] = _CLEAR if dense and row.background else row.color
    return DirectLabelColormap(color_dict=colors)


def grid_of(viewer: Any) -> Any:
    """Return the settings of the viewer's grid, wherever this napari keeps them."""
    canvas = getattr(viewer, "canvas", None)
    return canvas.grid if hasattr(canvas, "grid") else viewer.grid


def find_layer(viewer: Any, role: str, name: str = "") -> Any | None:
    """Return the layer that Densify marked with a role (and a name within it), if it is there."""
    for layer in viewer.layers:
        mark = layer.metadata.get(KEY)
        if mark and mark["role"] == role and mark.get("name", "") == name:
            return layer
    return None


def mark_layer(layer: Layer, role: str, name: str = "") -> None:
    """Remember what a layer is for."""
    layer.metadata[KEY] = {"role": role, "name": name}


def active_image(viewer: Any) -> Image | None:
    """Return the active Image layer, or else the only one that there is."""
    active = viewer.layers.selection.active
    if isinstance(active, Image):
        return active
    images = [layer for layer in viewer.layers if isinstance(layer, Image)]
    return images[0] if len(images) == 1 else None


@contextmanager
def selection_kept(viewer: Any) -> Iterator[None]:
    """Give selection, active layer and its mode back as they were."""
    selected = set(viewer.layers.selection)
    active = viewer.layers.selection.active
    mode = getattr(active, "mode", None)
    try:
        yield
    finally:
        selected &= set(viewer.layers)
        if selected:
            viewer.layers.selection = selected
            if active in selected:
                viewer.layers.selection.active = active
        if mode is not None and active in viewer.layers:
            active.mode = mode


def add_quietly(viewer: Any, layer: Layer, *, below: Layer | None = None) -> None:
    """Insert a layer (below another, or on top) and leave everything else as it is."""
    point = viewer.dims.point  # a step may be another length afterwards
    had_layers = len(viewer.layers) > 0
    with selection_kept(viewer):
        index = viewer.layers.index(below) if below in viewer.layers else len(viewer.layers)
        viewer.layers.insert(index, layer)
    if had_layers and viewer.dims.point[-len(point) :] != point:
        viewer.dims.point = point


def when_hands_are_off(action: Callable[[], None]) -> None:
    """Run an action now, or as soon as no mouse button is down (a stroke under way)."""
    if QApplication.mouseButtons() == Qt.MouseButton.NoButton:
        action()
    else:
        QTimer.singleShot(_RETRY_MS, lambda: when_hands_are_off(action))


def protect(layer: Labels) -> None:
    """Make a layer read-only, also after napari resets it (on a switch to 3D)."""
    layer.editable = False
    layer.events.editable.connect(lambda: _lock(layer))


def _lock(layer: Labels) -> None:
    if layer.editable:
        layer.editable = False


def spacing_of(layer: Image) -> tuple[Spacing, bool]:
    """Voxel size (Z, Y, X) in nm of an image layer, and whether it states one.

    A layer in pixels, or with scale 1 in every direction and no length unit, states none.
    """
    scale = [1.0, *layer.scale][-3:] if layer.ndim == 2 else list(layer.scale[-3:])
    units = list(layer.units)[-3:]
    factors = [_nanometres(unit) for unit in units]
    factors = [factors[0]] * (3 - len(factors)) + factors
    if any(f is None for f in factors):
        return (float(scale[0]), float(scale[1]), float(scale[2])), False
    z, y, x = (float(s) * float(f) for s, f in zip(scale, factors, strict=True) if f is not None)
    return (z, y, x), True


def _nanometres(unit: Any) -> float | None:
    import pint

    try:
        return float(pint.get_application_registry().Quantity(1, str(unit)).to("nm").magnitude)
    except pint.DimensionalityError:
        return None


def set_spacing(layer: Layer, spacing: Spacing) -> None:
    """Give a layer of two or three axes a voxel size in nm; its offset is kept in voxels."""
    scale = spacing[-layer.ndim :]
    offset = np.asarray(layer.translate) / np.asarray(layer.scale)
    layer.units = NM[-layer.ndim :]
    layer.scale = scale
    layer.translate = offset * np.asarray(scale)


def lie_over(layer: Layer, image: Layer) -> bool:
    """Whether a layer has the voxels of an image: another channel of it, or its labels."""
    if layer.ndim != image.ndim or layer.units != image.units:
        return False
    pairs = (
        (layer.extent.data, image.extent.data),
        (layer.scale, image.scale),
        (layer.translate, image.translate),
    )
    return all(np.allclose(a, b) for a, b in pairs)


def place_like(image: Layer | None, spacing: Spacing) -> dict[str, Any]:
    """Arguments that put a new 3D layer exactly over the image; one of two axes is slice 0."""
    first = (0.0, 0.0, 0.0) if image is None else (0.0, *image.translate)[-3:]
    return {"scale": spacing, "translate": first, "units": NM, "axis_labels": AXES}
