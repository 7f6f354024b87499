"""Step 2: paint. Classes, coverage, held-out slices and painting aids."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QSizePolicy

from napari_densify.core.labels import ClassTable
from napari_densify.plugin.class_table import ClassTableWidget, add_class, remove_class
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
        self._sync()
        self.listen(self.session.project_changed, self._sync)
        self.listen(self.session.classes_changed, self._sync)
        self.listen(self.session.paint_changed, self._sync)
        self.listen(self.canvas.slice_changed, self._sync_slice)
        self.listen(self.canvas.class_chosen, self.table.choose)

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
        row = QHBoxLayout()
        self.held_out = button(
            "Hold out this slice",
            "Score on the paint of this slice and never train on it (key H)",
            lambda: self.bench.attempt(self.canvas.toggle_held_out),
            name="hold-out",
        )
        self.held_out.setCheckable(True)
        self.next = button(
            "Suggest next slice",
            "Rank the slices that are worth painting next (needs a trained round; key N)",
            self._suggest,
            name="suggest",
        )
        row.addWidget(self.held_out)
        row.addWidget(self.next)
        self.body.addWidget(self.strip)
        self.body.addWidget(self.coverage)
        self.body.addLayout(row)
        self.suggestion = hint("", name="suggestion")
        self.body.addWidget(self.suggestion)

    def _build_aids(self) -> None:
        grid = QGridLayout()
        aids = (
            ("Fill rest as background", "Paint what is unpainted of this slice (key R)", "fill"),
            ("Accept prediction", "Copy the prediction into the unpainted rest (key A)", "accept"),
            ("Erase slice", "Make this slice unlabelled again", "erase"),
            ("Undo", "Take the last stroke or aid back (Ctrl+Z)", "undo"),
        )
        actions = {
            "fill": self.canvas.fill_rest,
            "accept": self.canvas.accept_slice,
            "erase": self.canvas.erase_slice,
            "undo": self._undo,
        }
        self.aids = {}
        for number, (text, tip, name) in enumerate(aids):
            made = button(
                text, tip, lambda act=actions[name]: self.bench.attempt(act), name=f"aid-{name}"
            )
            made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            grid.addWidget(made, number // 2, number % 2)
            self.aids[name] = made
        self.body.addLayout(grid)
        self.advice = hint("", name="advice")
        self.body.addWidget(self.advice)

    # sync

    def _sync(self, *_: Any) -> None:
        session = self.session
        opened = session.project is not None
        self.setEnabled(opened)
        self.table.show_classes(session.classes, session.counts())
        slices = session.slice_counts()
        self.strip.show_paint(session.shape[0], slices, session.classes)
        suggested = tuple(s["index"] for s in session.suggested if str(s["axis"]).lower() == "z")
        self.strip.show_marks(session.held_out, suggested)
        self.coverage.setText(self._say_coverage(slices))
        self.advice.setText(session.advice())
        self.advice.setVisible(bool(session.advice()))
        self._sync_slice(self.canvas.current_slice)

    def _say_coverage(self, slices: dict[int, dict[int, int]]) -> str:
        if self.session.project is None:
            return ""
        voxels = sum(sum(row.values()) for row in slices.values())
        z, y, x = self.session.shape
        held = len(self.session.held_out & set(slices))
        text = f"{len(slices)} of {z} slices painted, {voxels / (z * y * x):.2%} of all voxels"
        return f"{text}, {held} held out" if held else text

    def _sync_slice(self, z: int) -> None:
        session = self.session
        self.strip.show_current(z)
        self.held_out.setChecked(z in session.held_out)
        self.held_out.setText("Held out" if z in session.held_out else "Hold out this slice")
        reason = next((s["why"] for s in session.suggested if s["index"] == z), "")
        proposed = session.proposed_held_out()
        if reason:
            text = f"Slice {z} is suggested: {reason}."
        elif proposed is not None:
            text = f"Enough is painted to hold some out: slice {proposed} would do (H on it)."
        else:
            text = ""
        self.suggestion.setText(text)
        self.suggestion.setVisible(bool(text))

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

    def _undo(self) -> None:
        layer = self.canvas.paint_layer
        if layer is not None:
            layer.undo()

    def _suggest(self) -> None:
        self.bench.attempt(self.bench.suggest)
