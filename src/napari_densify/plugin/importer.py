"""Annotations of other programs become paint, as one undoable step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from superqt.utils import create_worker

from napari_densify.annotations import Edit
from napari_densify.io import ImportPlan, ImportSource, apply_import, read_import
from napari_densify.plugin.painter import Painter
from napari_densify.plugin.painting import apply_edits, only_unpainted
from napari_densify.project import import_edits, merge_classes, require_import_shape

__all__ = ["Importer"]


class Importer(QObject):
    """Reads a file in a thread, lets the user look at it, paints it.

    Parameters
    ----------
    painter
        Whose annotation layer is painted on.
    """

    read = Signal(object)
    """An `ImportSource`, to be shown before it is applied; not if its project was closed."""
    busy_changed = Signal(bool)

    def __init__(self, painter: Painter) -> None:
        super().__init__()
        self.painter = painter
        self.session = painter.session
        self._unclaimed: ImportSource | None = None

    def open(self, path: str | Path) -> None:
        """Read what a file holds; `read` is emitted then.

        Raises
        ------
        InputError
            If there is no project to import into.
        """
        project = self.session.require_project()
        self._in_thread(self.show, read_import, str(path), shape=project.shape)

    def look(self, function: Callable[..., ImportSource], *arguments: Any) -> None:
        """Let a function find out in a thread what there is; `read` is emitted then."""
        self._in_thread(self.show, function, *arguments)

    def show(self, source: ImportSource) -> None:
        """Emit `read`, unless the project was closed meanwhile."""
        if self.session.project is not None:
            self._unclaimed = source
            self.read.emit(source)
            self._unclaimed = None

    def claim(self, source: ImportSource) -> bool:
        """Whether to show this: several steps may be open, and the first that asks does."""
        first, self._unclaimed = self._unclaimed is source, None
        return first

    def apply(self, source: ImportSource, plan: ImportPlan) -> None:
        """Paint it where nothing is painted yet, and take over its classes."""
        self._in_thread(
            lambda edits: self._paint(plan, edits), _edits, source, plan, self.session.paint
        )

    def _in_thread(self, done: Any, function: Any, *arguments: Any, **options: Any) -> None:
        """Do it in a thread, and go on with what it returns if the project is still open."""
        layer = self.painter.require_layer()
        self.busy_changed.emit(True)
        worker = create_worker(function, *arguments, _ignore_errors=True, **options)
        worker.returned.connect(lambda found: self._go_on(layer, done, found))
        worker.errored.connect(lambda error: self.session.said.emit("error", str(error)))
        worker.finished.connect(lambda: self.busy_changed.emit(False))
        worker.start()

    def _go_on(self, layer: Labels, done: Any, found: Any) -> None:
        if layer is self.painter.canvas.paint_layer:
            done(found)
        else:
            self.session.said.emit("info", "Nothing was imported: the project was closed meanwhile")

    def _paint(self, plan: ImportPlan, edits: list[Edit]) -> None:
        session, layer = self.session, self.painter.require_layer()
        session.set_classes(merge_classes(session.classes, plan.classes, session.counts()))
        edits = [only_unpainted(edit, session.paint) for edit in edits]
        voxels = apply_edits(layer, edits)
        slices = len({edit.region[0].start for edit in edits if len(edit)})
        text = f"Imported {voxels:,} voxels on {slices} slices; Ctrl+Z takes them back"
        session.said.emit(
            "info", text if voxels else "Nothing to import: it is all painted already"
        )


def _edits(source: ImportSource, plan: ImportPlan, paint: Any) -> list[Edit]:
    labels = apply_import(source, plan)
    require_import_shape(labels, paint.shape)
    return list(import_edits(labels, paint))
