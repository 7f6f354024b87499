"""Painting by more than strokes: the aids of the dock and their keys, every one undoable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_densify.annotations import PaintedArray, aids
from napari_densify.annotations.suggestion import PLANES
from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError
from napari_densify.plugin.canvas import Canvas
from napari_densify.plugin.painting import (
    Takeover,
    apply_edit,
    apply_edits,
    apply_quickly,
    voxel_at,
)
from napari_densify.plugin.session import Session
from napari_densify.plugin.window import needs_window
from napari_densify.project import Round

__all__ = ["KEYS", "Painter"]

KEYS = {
    "accept": "A",
    "object": "C",
    "brush": "B",
    "fill": "R",
    "erase": "Shift-E",
    "hold_out": "H",
    "suggestion": "N",
    "propose": "I",
    "accept_proposal": "Y",
    "reject_proposal": "Shift-I",
}
"""Keys while the annotation layer is active, by what they do."""

SOURCES = ("preview", "prediction", "method")
"""Roles of layers that can be copied from."""


def held_out_refusal() -> InputError:
    """Say that nothing but the user's own strokes goes on a held-out slice."""
    return InputError(
        "this slice is held out: what is scored is painted by hand",
        mend=f"paint it with the brush, or give it back to training ({KEYS['hold_out']})",
    )


class Painter(QObject):
    """What the buttons and keys of the step Annotate do to the slice on screen.

    Parameters
    ----------
    canvas
        Layers.
    session
        Project and paint.
    """

    tool_changed = Signal(str)
    """``brush``, ``object``, or empty when napari's own tools have the mouse again."""
    keys_bound = Signal(object)
    """The annotation layer, whose keys were bound."""

    def __init__(self, canvas: Canvas, session: Session) -> None:
        super().__init__()
        self.canvas = canvas
        self.session = session
        self.tool = ""
        self._takeover: Takeover | None = None
        self._class_keys: tuple[str, ...] = ()
        canvas.paint_layer_shown.connect(self.bind_keys)
        session.classes_changed.connect(lambda: self.bind_keys(canvas.paint_layer))

    # the slice on screen

    def require_layer(self) -> Labels:
        """Return the annotation layer.

        Raises
        ------
        InputError
            If there is none.
        """
        layer = self.canvas.paint_layer
        if layer is None:
            raise InputError("there is no annotation layer", mend="press Show annotations")
        return layer

    def slice_on_screen(self) -> tuple[Labels, PaintedArray, Region]:
        """Return the annotation layer, the paint, and the slice on screen, across any axis.

        Of a slice too large for one layer it is the part on screen.

        Raises
        ------
        InputError
            If several slices are on screen.
        """
        layer, paint = self.require_layer(), self.session.paint
        assert paint is not None
        if self.canvas.viewer.dims.ndisplay == 3:
            raise InputError("this works on one slice", mend="go back to the 2D view")
        if needs_window(paint.shape):
            return layer, paint, self.canvas.visible_region()
        plane, index = self.canvas.plane_on_screen()
        return layer, paint, aids.slice_region(paint.shape, index, PLANES.index(plane))

    def source(self) -> Any:
        """Labels to copy from: the topmost visible prediction or preview.

        Raises
        ------
        InputError
            If there is none.
        """
        for layer in reversed(self.canvas.viewer.layers):
            mark = layer.metadata.get("densify", {})
            if mark.get("role") in SOURCES and layer.visible:
                return layer.data[0] if layer.multiscale else layer.data
        raise InputError(
            "no prediction is shown", where="copy prediction", mend="press Train or Predict first"
        )

    # whole slices

    def fill_rest(self) -> int:
        """Paint what is unpainted of this slice as background."""
        background = self.session.classes.background
        if background is None:
            raise InputError(
                "no class is flagged as background", mend="tick Backgr. in the class table"
            )
        layer, paint, region = self.slice_on_screen()
        return apply_edit(layer, aids.fill_unlabelled(paint, region, background))

    def accept_slice(self) -> int:
        """Copy the prediction into what is unpainted of this slice."""
        source = self.source()
        layer, paint, region = self.slice_on_screen()
        done = self._copy(layer, aids.copy_prediction(paint, source, region))
        if not done:
            self.session.said.emit("info", "Nothing to copy: this slice is painted already")
        return done

    def erase_slice(self) -> int:
        """Erase this slice to unlabelled."""
        layer, paint, region = self.slice_on_screen()
        return apply_edit(layer, aids.erase(paint, region))

    def undo(self) -> None:
        """Take the last stroke or aid back."""
        self.require_layer().undo()

    def restore(self, made: Round) -> None:
        """Go back to the strokes that a round learned from, as one undoable step.

        Raises
        ------
        InputError
            If the round kept none.
        """
        layer, paint = self.require_layer(), self.session.paint
        assert paint is not None
        kept, edits = made.learned_strokes(), []
        for box in kept.cover(*paint.painted_boxes()):
            wanted = kept.read(box).astype(paint.dtype)
            mask = wanted != paint.read(box)
            edits.append(aids.Edit(box, mask, wanted[mask]))
        apply_edits(layer, edits)
        self.session.said.emit("info", f"The strokes of {made.name} are back; Ctrl+Z undoes it")

    # pieces of a prediction

    def spare_held_out(self, edit: aids.Edit) -> aids.Edit:
        """Leave held-out slices out: copied there, a prediction would be scored on itself.

        Raises
        ------
        InputError
            If nothing else would change.
        """
        spared = aids.without_slices(edit, self.session.held_out)
        if len(edit) and not len(spared):
            raise held_out_refusal()
        return spared

    def copy_object(self, position: Any = None) -> int:
        """Copy the predicted object under the pointer (or a world position), in this slice."""
        source = self.source()
        layer, paint, region = self.slice_on_screen()
        if position is None:
            position = self.canvas.viewer.cursor.position
        z, y, x = (round(p) for p in voxel_at(layer, position))
        edit = aids.copy_object(paint, source, region, (z, y, x))
        return self._copy(layer, edit)

    def _copy(self, layer: Labels, edit: aids.Edit, write: Callable[..., Any] = apply_edit) -> Any:
        """Paint with what was predicted, and remember on which slices."""
        spared = self.spare_held_out(edit)
        done = write(layer, spared)
        self.session.note_copied(spared)
        return done

    def toggle_brush(self) -> None:
        """Paint with the prediction instead of a class, or stop doing so."""
        self._toggle("brush", self._copy_stroke)

    def toggle_pick(self) -> None:
        """Copy the predicted objects that are clicked on, or stop doing so."""
        self._toggle("object", self._copy_click)

    def _toggle(self, tool: str, drag: Callable[..., Iterator[None]]) -> None:
        before = self.tool
        self.stop_tool()
        if before != tool:
            self.source()
            self.slice_on_screen()
            self._takeover = Takeover(self.require_layer(), drag, self._tool_ended)
            self._set_tool(tool)

    def stop_tool(self) -> None:
        """Give the mouse back to napari's brush."""
        if self._takeover is not None:
            self._takeover.end()

    def _tool_ended(self) -> None:
        self._takeover = None
        self._set_tool("")

    def _set_tool(self, tool: str) -> None:
        self.tool = tool
        self.tool_changed.emit(tool)

    def _copy_click(self, layer: Labels, event: Any) -> Iterator[None]:
        self.attempt(lambda: self.copy_object(event.position))
        yield

    def _copy_stroke(self, layer: Labels, event: Any) -> Iterator[None]:
        """Copy what the brush runs over; one undo step from press to release."""
        last = voxel_at(layer, event.position)
        with layer.block_history():
            going = self.attempt(lambda: self._copy_dab(last, last))
            yield
            while going and event.type == "mouse_move":
                here = voxel_at(layer, event.position)
                going = self.attempt(lambda a=last, b=here: self._copy_dab(a, b))
                last = here
                yield

    def _copy_dab(self, start: aids.Point, end: aids.Point) -> None:
        layer, paint, region = self.slice_on_screen()
        spacing = np.abs(layer.scale)[-3:]
        shown = [s for s, r in zip(spacing, region, strict=True) if r.stop - r.start > 1]
        z, y, x = (float(layer.brush_size / 2 * min(shown, default=1.0) / s) for s in spacing)
        box, covered = aids.stroke_box(region, start, end, (z, y, x))
        if covered.any():
            edit = aids.copy_prediction(paint, self.source(), box, where=lambda _: covered)
            self._copy(layer, edit, apply_quickly)

    # keys

    def attempt(self, action: Callable[[], Any]) -> bool:
        """Do something; where it is refused, say why. Return whether it was done."""
        try:
            action()
        except InputError as error:
            self.session.said.emit("warning", str(error))
            return False
        return True

    def bind_keys(self, layer: Labels | None) -> None:
        """Bind the classes' keys and those of the aids to the annotation layer."""
        if layer is None:
            return
        for key in self._class_keys:  # of classes that are gone, or have another one now
            layer.bind_key(key, None)
        for name, action in self.actions().items():
            layer.bind_key(KEYS[name], lambda _, do=action: self.attempt(do), overwrite=True)
        rows = {r.key.upper(): r.value for r in self.session.classes.classes if r.key}
        for key, value in rows.items():
            layer.bind_key(key, lambda _, v=value: self.choose_class(v), overwrite=True)
        self._class_keys = tuple(rows)
        self.keys_bound.emit(layer)

    def actions(self) -> dict[str, Callable[[], Any]]:
        """Return what can be done by key, by its name in `KEYS`."""
        return {
            "accept": self.accept_slice,
            "object": self.copy_object,
            "brush": self.toggle_brush,
            "fill": self.fill_rest,
            "erase": self.erase_slice,
            "hold_out": self.canvas.toggle_held_out,
            "suggestion": self.canvas.next_suggestion,
        }

    def choose_class(self, value: int) -> None:
        """Paint with this class from now on."""
        layer = self.require_layer()
        self.stop_tool()
        layer.selected_label = value
        if layer.mode not in ("paint", "fill", "polygon"):
            layer.mode = "paint"
