"""Step 5: classical methods and rounds on the same held-out paint, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QHBoxLayout
from superqt.utils import QFlowLayout

from napari_densify.classical import METHODS
from napari_densify.io import write_labels
from napari_densify.plugin.job_bar import JobBar
from napari_densify.plugin.method_panel import MethodPanel
from napari_densify.plugin.picture_panel import PicturePanel
from napari_densify.plugin.score_table import ScoreTable, read_table
from napari_densify.plugin.step import Step, button, collapsible, hint, narrow
from napari_densify.plugin.workbench import Workbench

__all__ = ["CompareStep"]

# Quick, and each of another family; all of them take minutes.
_USUAL = ("threshold", "watershed", "random_forest", "interpolation")
_HELD_OUT = "held-out paint"


class CompareStep(Step):
    """Try one method, score many, look at them side by side."""

    title = "Compare"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self.one = MethodPanel(bench)
        part = collapsible("One method", self.one)
        part.setObjectName("part-one-method")
        self.body.addWidget(part)
        self._build_methods()
        self.table = ScoreTable()
        self.note = hint("", name="compare-note")
        self.report = button(
            "Open report", "Table, pictures and parameters as a page", self._report
        )
        self.body.addWidget(self.table)
        self.body.addWidget(self.note)
        self.body.addWidget(self.report)
        self.pictures = PicturePanel(bench)
        self.body.addWidget(self.pictures)
        self._sync()
        self._sync_truth()
        layers = bench.canvas.viewer.layers
        for signal in (layers.events.inserted, layers.events.removed):
            self.listen(signal, self._sync_truth)
        for signal in (self.session.project_changed, self.session.scores_changed):
            self.listen(signal, self._sync)
        self.listen(self.session.paint_changed, self._sync_note)
        self.listen(self.session.job_changed, self.bar.sync)

    def _build_methods(self) -> None:
        flow = QFlowLayout()
        flow.setHorizontalSpacing(12)
        flow.setVerticalSpacing(4)
        self.methods: dict[str, QCheckBox] = {}
        for name, method in METHODS.items():
            box = QCheckBox(method.title)
            box.setToolTip(method.summary)
            box.setObjectName(f"method-{name}")
            box.setChecked(name in _USUAL)
            flow.addWidget(box)
            self.methods[name] = box
        self.body.addLayout(flow)
        self.body.addLayout(self._build_choice())
        start = button(
            "Compare",
            "Tune these methods on the training paint, and score them beside the chosen round",
            self._compare,
        )
        self.bar = JobBar(self.bench, "compare", start, working="Comparing…")
        self.compare, self.stop = self.bar.start, self.bar.stop
        self.body.addWidget(self.bar)

    def _build_choice(self) -> QFormLayout:
        row = QHBoxLayout()
        row.addWidget(button("All", "Tick every method; takes minutes", self._tick_all))
        row.addWidget(button("Usual", "Tick the quick ones of each family", self._tick_usual))
        self.truth = QComboBox()
        self.truth.setObjectName("truth")
        narrow(self.truth)
        self.truth.setToolTip("What is scored: held-out paint, or a dense truth that you have")
        self.truth.currentIndexChanged.connect(lambda *_: self._sync_note())
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Methods", row)
        form.addRow("Score on", self.truth)
        return form

    # sync

    def _sync(self, *_: Any) -> None:
        project = self.session.project
        self.setEnabled(project is not None)
        rows = self.session.comparison
        if not rows and project is not None:
            rows = read_table(project.path / "comparison" / "table.csv")
        self.table.setVisible(bool(rows))
        self.table.set_rows(rows)
        self.report.setVisible(self._report_file() is not None)
        self._sync_note()
        self.bar.sync()

    def _sync_truth(self, *_: Any) -> None:
        """Offer the user's own label layers of the volume's shape as a truth."""
        if self.bench.canvas.viewer is None:
            return
        kept = self.truth.currentData()
        self.truth.blockSignals(True)
        self.truth.clear()
        self.truth.addItem(_HELD_OUT, None)
        for layer in self.bench.canvas.viewer.layers:
            ours = "densify" in layer.metadata
            if isinstance(layer, Labels) and not ours and layer.data.shape == self.session.shape:
                self.truth.addItem(layer.name, layer)
        found = (i for i in range(self.truth.count()) if self.truth.itemData(i) is kept)
        self.truth.setCurrentIndex(next(found, 0))
        self.truth.blockSignals(False)
        self._sync_note()

    def _sync_note(self, *_: Any) -> None:
        held = self.session.painted_held_out() if self.session.project else ()
        if self.truth.currentData() is not None:
            text = "Scored on the truth, without the voxels that are learned from."
        elif held:
            numbers = ", ".join(map(str, held))
            text = f"Scored on held-out slice{'s' if len(held) > 1 else ''} {numbers}."
        else:
            text = (
                "No slice is held out: about a third of the painted ones is kept for scoring. "
                "A round that learned from them gets no score."
            )
        self.note.setText(text)

    # clicks

    def _tick_all(self) -> None:
        for box in self.methods.values():
            box.setChecked(True)

    def _tick_usual(self) -> None:
        for name, box in self.methods.items():
            box.setChecked(name in _USUAL)

    def _compare(self) -> None:
        names = [name for name, box in self.methods.items() if box.isChecked()]
        self.bench.attempt(self._submit, names)

    def _submit(self, names: list[str]) -> None:
        self.session.require_idle()
        truth = self.truth.currentData()
        self.bench.compare(names, self._save_truth(truth) if truth is not None else "")

    def _save_truth(self, layer: Labels) -> str:
        """Write a truth layer into the project, for the engine."""
        project = self.session.require_project()
        path = project.path / "comparison" / "truth-layer.zarr"
        path.parent.mkdir(exist_ok=True)
        write_labels(path, np.asarray(layer.data), spacing=project.spacing, spacing_known=True)
        return str(path)

    def _report_file(self) -> Path | None:
        project = self.session.project
        if project is None:
            return None
        pages = sorted((project.path / "comparison").glob("*.html"))
        return pages[0] if pages else None

    def _report(self) -> None:
        page = self._report_file()
        if page is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(page)))

    def let_go(self) -> None:
        """Let go of the parts as well."""
        self.one.let_go()
        self.pictures.let_go()
        super().let_go()
