"""Edits of the annotation layer, each one step of its undo history; a hand for the mouse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from napari_densify.annotations import Edit, PaintedArray
from napari_densify.core.labels import UNLABELLED
from napari_densify.plugin.window import Absolute, PaintWindow

__all__ = [
    "Takeover",
    "apply_edit",
    "apply_edits",
    "apply_quickly",
    "only_unpainted",
    "voxel_at",
]

Drag = Callable[[Any, Any], Iterator[None]]
"""A napari mouse callback: ``(layer, event)``, suspended between press, moves and release."""


def apply_edit(layer: Any, edit: Edit) -> int:
    """Change a layer as one undoable step; return the number of voxels."""
    return apply_edits(layer, [edit])


def apply_edits(layer: Any, edits: Iterable[Edit]) -> int:
    """Change a layer by several edits, as one undoable step; return the number of voxels.

    napari's own ``data_setitem`` takes coordinates of single voxels: 24 bytes for each,
    and a second for a large slice. Its history takes boxes as well.
    """
    voxels = 0
    with layer.block_history():
        for edit in edits:
            voxels += len(edit)
            if len(edit):
                _write(layer, edit)
    if voxels:
        layer.refresh()
    return voxels


def only_unpainted(edit: Edit, paint: PaintedArray) -> Edit:
    """Leave out what was painted since the edit was made."""
    still_open = paint.read(edit.region)[edit.mask] == UNLABELLED
    mask = edit.mask.copy()
    mask[edit.mask] = still_open
    return Edit(edit.region, mask, edit.values[still_open])


def _write(layer: Any, edit: Edit) -> None:
    key = Absolute(edit.region) if isinstance(layer.data, PaintWindow) else edit.region
    before = np.asarray(layer.data[key])
    after = before.copy()
    after[edit.mask] = edit.values
    layer._save_history((key, before, after))
    layer.data[key] = after


def apply_quickly(layer: Any, edit: Edit) -> None:
    """As `apply_edit`, for the few voxels under a brush, as part of the stroke's undo step."""
    if isinstance(layer.data, PaintWindow) and len(edit):
        _write(layer, edit)
        layer.refresh()
    elif len(edit):
        layer.data_setitem(edit.indices, edit.values)


def voxel_at(layer: Any, position: Any) -> tuple[float, float, float]:
    """Voxel of the volume (Z, Y, X) at a position in the world, also through a window."""
    point = np.asarray(layer.world_to_data(position))[-3:]
    if isinstance(layer.data, PaintWindow):
        frame = layer.data.frame
        point = point * frame.step + frame.origin
    z, y, x = (float(p) for p in point)
    return z, y, x


class Takeover:
    """Gives the brush's left button to another callback until the user takes another tool.

    Parameters
    ----------
    layer
        Labels layer; it is put into paint mode, so that it shows the brush's circle.
    drag
        What presses and moves do meanwhile.
    ended
        Called once, when it is over.
    """

    def __init__(self, layer: Any, drag: Drag, ended: Callable[[], None]) -> None:
        layer.mode = "paint"
        self.layer = layer
        self._drag, self._ended = drag, ended
        drags = layer.mouse_drag_callbacks
        self._brush = [c for c in drags if getattr(c, "__name__", "") == "draw"]
        for callback in self._brush:
            drags.remove(callback)
        drags.append(drag)
        layer.events.mode.connect(self.end)

    def end(self, event: Any = None) -> None:
        """Give the button back; nothing happens the second time."""
        drags = self.layer.mouse_drag_callbacks
        if self._drag not in drags:
            return
        drags.remove(self._drag)
        self.layer.events.mode.disconnect(self.end)
        if self.layer.mode == "paint":
            drags.extend(c for c in self._brush if c not in drags)
        self._ended()
