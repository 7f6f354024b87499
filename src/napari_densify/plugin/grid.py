"""Image and labels of every method side by side, in napari's grid."""

from __future__ import annotations

from typing import Any

from napari.layers import Image, Labels

from napari_densify.plugin.canvas import Canvas
from napari_densify.plugin.layers import grid_of, mark_layer, selection_kept

__all__ = ["set_side_by_side"]

SHOWN = ("paint", "prediction", "method", "preview")


def set_side_by_side(canvas: Canvas, on: bool) -> None:
    """Show each of the session's label layers over its own copy of the image, or stop that.

    The copies share the image's voxels, so they take no memory.
    """
    viewer, image = canvas.viewer, canvas.image_layer
    with selection_kept(viewer):
        canvas.remove_layers("grid")
        if on and image is not None:
            _pair_up(viewer, image)
            grid_of(viewer).stride = 2
        elif not on:
            grid_of(viewer).stride = 1
    grid_of(viewer).enabled = on


def _pair_up(viewer: Any, image: Image) -> None:
    """Put the image, or a copy of it, right below each label layer; the rest on the bottom."""
    labels = [layer for layer in viewer.layers if _is_shown(layer)]
    for number, layer in enumerate(labels):
        beneath = image if number == len(labels) - 1 else _copy(image, layer.name)
        if beneath is not image:
            viewer.layers.append(beneath)
        for item in (beneath, layer):
            viewer.layers.move(viewer.layers.index(item), len(viewer.layers))


def _is_shown(layer: Any) -> bool:
    return isinstance(layer, Labels) and layer.metadata.get("densify", {}).get("role") in SHOWN


def _copy(image: Image, name: str) -> Image:
    copy = Image(
        image.data,
        name=f"{image.name} · {name}",
        multiscale=image.multiscale,
        scale=image.scale,
        translate=image.translate,
        units=image.units,
        colormap=image.colormap.name,
        contrast_limits=image.contrast_limits,
    )
    mark_layer(copy, "grid", name)
    return copy
