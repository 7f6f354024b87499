"""Step 2: paint. Classes, coverage, held-out slices and painting aids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QHBoxLayout

from napari_densify.annotations.suggestion import PLANES
from napari_densify.core.labels import ClassTable
from napari_densify.plugin.advice import doubt_coverage, say_coverage, say_suggestion
from napari_densify.plugin.aids_panel import AidsPanel
from napari_densify.plugin.class_table import ClassTableWidget, add_class, remove_class
from napari_densify.plugin.hindrance import hindrance
from napari_densify.plugin.import_dialog import ImportDialog
from napari_densify.plugin.labels_beside import LabelsBeside
from napari_densify.plugin.layer_import import LayerImport
from napari_densify.plugin.slider_marks import SliderMarks
from napari_densify.plugin.step import Step, button, hint
from napari_densify.plugin.strip import SliceStrip
from napari_densify.plugin.workbench import Workbench

__all__ = ["AnnotateStep"]


class AnnotateStep(Step):
    """Paint a few slices, and see what is painted."""

    title = "Annotate"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self.canvas = bench.canvas
        self._build_classes()
        self._build_slices()
        self._build_aids()
        self.marks = SliderMarks(bench)
        self._sync()
        self.listen(self.session.project_changed, self._sync)
        self.listen(self.session.classes_changed, self._sync)
        self.listen(self.session.paint_changed, self._sync)
        self.listen(self.canvas.slice_changed, self._sync_slice)
        self.listen(self.canvas.class_chosen, self.table.choose)
        layers = self.canvas.viewer.layers
        for event in (
            layers.events.inserted,
            layers.events.removed,
            layers.selection.events.active,
        ):
            self.listen(event, self._sync_paintable)

    def _build_classes(self) -> None:
        self.table = ClassTableWidget()
        self.table.edited.connect(self._edit)
        self.table.chosen.connect(self._choose)
        self.table.refused.connect(lambda text: self.session.said.emit("warning", text))
        row = QHBoxLayout()
        self.add = button("Add class", "One more class", self._add)
        self.remove = button("Remove class", "Remove the selected class", self._remove)
        self.bring_back = button(
            "Show annotations", "Bring the annotation layer back and paint on it", self._show_paint
        )
        for widget in (self.add, self.remove, self.bring_back):
            row.addWidget(widget)
        self.body.addWidget(self.table)
        self.body.addLayout(row)

    def _build_slices(self) -> None:
        self.strip = SliceStrip()
        self.strip.clicked.connect(self.canvas.go_to_slice)
        self.coverage = hint("", name="coverage")
        self.held_out = button(
            "Hold out this slice (H)",
            "Score on the paint of this slice and never train on it (key H)",
            lambda: self.bench.attempt(self.canvas.toggle_held_out),
            name="hold-out",
        )
        self.held_out.setCheckable(True)
        self.next = button(
            "Suggest next slice",
            "Rank the slices that are worth painting next (needs a trained round); "
            "then key N goes from one to the next",
            self._suggest,
            name="suggest",
        )
        row = QHBoxLayout()
        row.addWidget(self.held_out)
        row.addWidget(self.next)
        self.body.addWidget(self.strip)
        self.body.addWidget(self.coverage)
        self.body.addLayout(row)
        self.suggestion = hint("", name="suggestion")
        self.body.addWidget(self.suggestion)
        self.propose = button(
            "", "Keep one painted slice in five for scoring", self._hold_proposed, name="propose"
        )
        self.body.addWidget(self.propose)

    def _build_aids(self) -> None:
        self.panel = AidsPanel(self.bench)
        self.aids = self.panel.aids
        self.body.addWidget(self.panel)
        self.take = button(
            "Import annotations…",
            "Label images, colour masks, ilastik projects, COCO files, napari's shapes and points",
            self._ask_import,
            name="import-annotations",
        )
        self.beside = LabelsBeside(self.bench.importer)
        self.listen(self.session.project_changed, self.beside.sync)
        self.take_layer = LayerImport(self.bench.importer)
        row = QHBoxLayout()
        row.addWidget(self.take)
        row.addWidget(self.take_layer)
        self.body.addLayout(row)
        self.body.addWidget(self.beside)
        self.listen(self.canvas.viewer.layers.events.inserted, self.take_layer.sync)
        self.listen(self.canvas.viewer.layers.events.removed, self.take_layer.sync)
        self.listen(self.bench.importer.read, self._show_import)
        self.listen(self.bench.importer.busy_changed, self._sync_import)

    def let_go(self) -> None:
        """Disconnect the buttons of the aids and take the marks of the slider away too."""
        super().let_go()
        for name in ("panel", "marks"):
            part = vars(self).get(name)
            if part is not None:
                part.let_go()

    # sync

    def _sync(self, *_: Any) -> None:
        session = self.session
        opened = session.project is not None
        self.setEnabled(opened)
        self.table.show_classes(session.classes, session.counts())
        slices = session.slice_counts()
        self.strip.show_paint(session.shape[0], slices, session.classes)
        suggested = tuple(s["index"] for s in session.suggested if s["axis"] == PLANES[0])
        self.strip.show_marks(session.held_out, suggested)
        parts = (
            say_coverage(slices, session.shape, session.held_out),
            doubt_coverage(slices, session.classes, session.held_out),
        )
        self.coverage.setText("\n".join(filter(None, parts)) if opened else "")
        self._sync_paintable()
        self._sync_slice(self.canvas.current_slice)

    def _sync_paintable(self, *_: Any) -> None:
        """Offer the way back to the paint where strokes would go elsewhere."""
        opened = self.session.project is not None
        self.bring_back.setVisible(opened and bool(hindrance(self.canvas)))

    def _sync_slice(self, z: int) -> None:
        session = self.session
        self.strip.show_current(z)
        self.held_out.setChecked(z in session.held_out)
        text = "This slice is held out (H)" if z in session.held_out else "Hold out this slice (H)"
        self.held_out.setText(text)
        text = say_suggestion(session.suggested, self.canvas.plane_on_screen())
        self.suggestion.setText(text)
        self.suggestion.setVisible(bool(text))
        proposed = session.proposed_held_out()
        self.propose.setVisible(proposed is not None)
        self.propose.setText(f"Hold out slice {proposed} to score the result")

    # clicks

    def _edit(self, classes: ClassTable) -> None:
        self.bench.attempt(self.session.set_classes, classes)
        self.table.show_classes(self.session.classes, self.session.counts())

    def _choose(self, value: int) -> None:
        layer = self.canvas.paint_layer
        if layer is not None:
            layer.selected_label = value

    def _add(self) -> None:
        self.bench.attempt(self.session.set_classes, add_class(self.session.classes))

    def _remove(self) -> None:
        if value := self.table.chosen_value():
            table = remove_class(self.session.classes, value)
            self.bench.attempt(self.session.set_classes, table)

    def _show_paint(self) -> None:
        self.bench.attempt(self.canvas.show_paint)

    def _ask_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import annotations")
        if path:
            self.bench.attempt(self.bench.importer.open, Path(path))

    def _show_import(self, source: Any) -> None:
        if not self.bench.importer.claim(source):
            return
        dialog = ImportDialog(source, self)
        if dialog.exec():
            self.bench.importer.apply(source, dialog.plan)

    def _sync_import(self, busy: bool) -> None:
        self.take.setEnabled(not busy)
        self.take.setText("Importing…" if busy else "Import annotations…")

    def _hold_proposed(self) -> None:
        z = self.session.proposed_held_out()
        if z is not None:
            self.bench.attempt(self.session.set_held_out, z, True)

    def _suggest(self) -> None:
        self.bench.attempt(self.bench.suggest)
