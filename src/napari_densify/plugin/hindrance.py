"""Why strokes would not become paint: another layer is selected, or the paint can't be seen."""

from __future__ import annotations

from typing import Any

from napari_densify.plugin.canvas import Canvas

__all__ = ["hindrance", "selected_name"]


def selected_name(viewer: Any) -> str:
    """Name of the active layer; says so where there is none."""
    active = viewer.layers.selection.active
    return f"“{active.name}” is selected" if active is not None else "no layer is selected"


def hindrance(canvas: Canvas) -> str:
    """Say what stands between brush and annotations, and the mend; empty if nothing does."""
    layer = canvas.paint_layer
    if layer is None:
        return "The annotation layer was removed, its strokes are kept: press Show annotations."
    if not layer.visible:
        return "The annotation layer is hidden: press Show annotations."
    if canvas.viewer.layers.selection.active is not layer:
        return f"To paint, press Show annotations: {selected_name(canvas.viewer)}."
    return ""
