"""Slices between two painted ones, interpolated: shown as a layer, paint only once accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from superqt.utils import create_worker

from napari_densify.annotations import Edit, interpolate_between, neighbours_of, without_slices
from napari_densify.annotations.indexing import select
from napari_densify.core.blocks import region_shape
from napari_densify.core.errors import InputError
from napari_densify.plugin.layers import (
    add_quietly,
    class_colormap,
    find_layer,
    mark_layer,
    place_like,
    protect,
)
from napari_densify.plugin.painter import KEYS, Painter, held_out_refusal
from napari_densify.plugin.painting import apply_edit, only_unpainted

__all__ = ["Proposal"]

_NAME = "Proposal"


class Proposal(QObject):
    """One proposal at a time for the gap around the slice on screen.

    Parameters
    ----------
    painter
        Whose annotation layer it is for.
    """

    changed = Signal()

    def __init__(self, painter: Painter) -> None:
        super().__init__()
        self.painter = painter
        self.session = painter.session
        self.edit: Edit | None = None
        self.busy = False
        painter.keys_bound.connect(self._bind_keys)
        painter.session.project_changed.connect(self._forget_other)

    def make(self) -> None:
        """Interpolate between the painted slices around the one on screen, in a thread.

        Raises
        ------
        InputError
            If it is held out, or does not lie between two painted slices.
        """
        layer, paint = self.painter.require_layer(), self.session.paint
        if self.busy:
            return
        z = self.painter.canvas.current_slice
        held_out = self.session.held_out
        if z in held_out:
            raise held_out_refusal()
        below, above = neighbours_of(z, self.session.slice_counts().keys() - held_out)
        spacing = self.session.require_project().spacing[1:]
        self.discard()
        self.busy = True
        self.changed.emit()
        worker = create_worker(
            interpolate_between, paint, below, above, spacing=spacing, _ignore_errors=True
        )
        worker.returned.connect(lambda edit: self._made(layer, edit))
        worker.errored.connect(self._failed)
        worker.start()

    def _made(self, layer: Labels, edit: Edit) -> None:
        self.busy = False
        if layer is not self.painter.canvas.paint_layer:
            self.changed.emit()  # another project meanwhile
            return
        edit = without_slices(edit, self.session.held_out)
        if not len(edit):
            self.session.said.emit(
                "info", "Nothing to propose: the paint of both slices does not overlap"
            )
        else:
            self.edit = edit
            self._show(edit)
        self.changed.emit()

    def _failed(self, error: Exception) -> None:
        self.busy = False
        self.session.said.emit("error", f"Interpolation failed: {error}")
        self.changed.emit()

    def _show(self, edit: Edit) -> None:
        canvas, project = self.painter.canvas, self.session.require_project()
        layer = Labels(
            Boxed(edit, project.shape),
            name=_NAME,
            colormap=class_colormap(self.session.classes, dense=False),
            opacity=0.45,
            **place_like(canvas.image_layer, project.spacing),
        )
        mark_layer(layer, "proposal")
        protect(layer)
        add_quietly(canvas.viewer, layer, below=canvas.paint_layer)

    def accept(self) -> int:
        """Make it paint, as one undoable step; what was painted meanwhile stays.

        Raises
        ------
        InputError
            If nothing is proposed.
        """
        if self.edit is None:
            raise InputError("nothing is proposed", mend="press Interpolate between two slices")
        layer = self.painter.require_layer()
        proposed = without_slices(self.edit, self.session.held_out)  # held out meanwhile
        edit = only_unpainted(proposed, self.session.paint)
        self.discard()
        done = apply_edit(layer, edit)
        self.session.note_copied(edit)
        return done

    def discard(self) -> None:
        """Take the proposal away."""
        self.edit = None
        viewer = self.painter.canvas.viewer
        layer = find_layer(viewer, "proposal")
        if layer is not None:
            viewer.layers.remove(layer)
        self.changed.emit()

    def describe(self) -> str:
        """Say what is proposed, in one line; empty if nothing is."""
        if self.busy:
            return "Interpolating…"
        if self.edit is None:
            return ""
        side = self.edit.region[0]
        first, last = side.start, side.stop - 1
        where = f"slice {first}" if first == last else f"slices {first} to {last}"
        return f"Proposed for {where}: {len(self.edit):,} voxels. It is not paint yet."

    def _forget_other(self) -> None:
        if self.session.project is None and self.edit is not None:
            self.discard()

    def _bind_keys(self, layer: Labels) -> None:
        actions: dict[str, Callable[[], Any]] = {
            "propose": self.make,
            "accept_proposal": self.accept,
            "reject_proposal": self.discard,
        }
        for name, action in actions.items():
            layer.bind_key(
                KEYS[name], lambda _, do=action: self.painter.attempt(do), overwrite=True
            )


class Boxed:
    """Label array ``(Z, Y, X)`` that is zero outside of one box; only the box takes memory."""

    def __init__(self, edit: Edit, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.ndim = 3
        self.dtype = edit.values.dtype
        self._region = edit.region
        self._block = np.zeros(region_shape(edit.region), self.dtype)
        self._block[edit.mask] = edit.values

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        chosen = select(key, self.shape)
        out = np.zeros(region_shape(chosen.box), self.dtype)
        target, source = [], []
        for wanted, held in zip(chosen.box, self._region, strict=True):
            low, high = max(wanted.start, held.start), min(wanted.stop, held.stop)
            if high <= low:
                return out[chosen.local]
            target.append(slice(low - wanted.start, high - wanted.start))
            source.append(slice(low - held.start, high - held.start))
        out[tuple(target)] = self._block[tuple(source)]
        return out[chosen.local]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)
