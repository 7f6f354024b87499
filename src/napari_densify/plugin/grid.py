"""Image and labels of every method side by side, in napari's grid."""

from __future__ import annotations

from typing import Any

from napari.layers import Image, Labels

from napari_densify.plugin.canvas import Canvas
from napari_densify.plugin.layers import grid_of, mark_layer, selection_kept

__all__ = ["SHOWN", "set_side_by_side"]

SHOWN = ("paint", "prediction", "method", "preview", "picture", "instances")
"""Roles of the label layers that get a cell of their own."""


def set_side_by_side(canvas: Canvas, on: bool) -> None:
    """Show each of the session's label layers over its own copy of the image, or stop that.

    The copies share the image's voxels, so they take no memory. A pair is shown and hidden
    together, so that a hidden layer leaves no empty cell.
    """
    viewer, image = canvas.viewer, canvas.image_layer
    with selection_kept(viewer):
        canvas.remove_layers("grid")
        if on and image is not None:
            _pair_up(viewer, image)
            grid_of(viewer).stride = 2
        elif not on:
            grid_of(viewer).stride = 1
    _show_names(viewer, on)
    grid_of(viewer).enabled = on


def _pair_up(viewer: Any, image: Image) -> None:
    """Put the image, or a copy of it, right below each label layer; the rest on the bottom."""
    labels = [layer for layer in viewer.layers if _is_shown(layer)]
    # All but the labels and the image, which all go into pairs above it.
    rest = len(viewer.layers) - len(labels) - 1
    if labels and rest % 2:
        # napari counts pairs from the bottom: an odd layer there would part all the others.
        filler = _copy(image, labels[0], linked=False)
        filler.name, filler.visible = f"{image.name} · filler", False
        viewer.layers.insert(0, filler)
    seen = [layer for layer in labels if layer.visible]
    for layer in labels:
        # The image itself goes with a layer that is seen: hiding it would be a surprise.
        beneath = image if seen and layer is seen[-1] else _copy(image, layer)
        if beneath is not image:
            viewer.layers.append(beneath)
        for item in (beneath, layer):
            viewer.layers.move(viewer.layers.index(item), len(viewer.layers))


def _is_shown(layer: Any) -> bool:
    return isinstance(layer, Labels) and layer.metadata.get("densify", {}).get("role") in SHOWN


def _copy(image: Image, labels: Labels, *, linked: bool = True) -> Image:
    copy = Image(
        image.data,
        name=f"{image.name} · {labels.name}",
        multiscale=image.multiscale,
        scale=image.scale,
        translate=image.translate,
        units=image.units,
        colormap=image.colormap.name,
        contrast_limits=image.contrast_limits,
        visible=labels.visible,
    )
    mark_layer(copy, "grid", labels.name)
    if linked:
        labels.events.visible.connect(lambda: setattr(copy, "visible", labels.visible))
    return copy


def _show_names(viewer: Any, on: bool) -> None:
    """Write each method's name into its cell (napari before 0.6.6 has no names)."""
    for layer in viewer.layers:
        overlay = getattr(layer, "name_overlay", None)
        if overlay is not None and _is_shown(layer):
            overlay.visible = on
