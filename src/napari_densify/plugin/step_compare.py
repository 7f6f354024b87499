"""Step 5: classical methods and rounds on the same held-out paint, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QFormLayout, QGridLayout, QHBoxLayout
from superqt.utils import create_worker

from napari_densify.classical import METHODS
from napari_densify.plugin.candidates import stack_of
from napari_densify.plugin.job_bar import JobBar
from napari_densify.plugin.method_panel import MethodPanel
from napari_densify.plugin.picture_panel import PicturePanel
from napari_densify.plugin.score_table import ScoreTable, read_table
from napari_densify.plugin.step import Step, button, collapsible, hint
from napari_densify.plugin.truth import TruthChoice, write_truth
from napari_densify.plugin.workbench import Workbench
from napari_densify.project import Project

__all__ = ["CompareStep", "scored_on"]

# Quick, and each of another family; all of them take minutes.
_USUAL = ("threshold", "watershed", "random_forest", "interpolation")
# Painted share of the held-out slices from which scores are about those of whole slices.
_WHOLE = 0.5


def scored_on(held_out: Sequence[int], voxels: int, share: float) -> str:
    """Say on what rows are scored, and how far to believe them.

    Parameters
    ----------
    held_out
        Z slices with paint that nothing is learned from.
    voxels, share
        How many voxels of them are painted, and what part of them that is.
    """
    numbers = ", ".join(map(str, held_out))
    slices = f"held-out slice{'s' if len(held_out) > 1 else ''} {numbers}"
    if share >= _WHOLE:
        return f"Scored on {slices}."
    # Strokes are put where a class is clear, and every method is right there.
    return (
        f"Scored on the {voxels:,} painted voxels ({100 * share:.2g} %) of {slices}: fair between "
        "methods, but usually too high for whole slices. Train estimates what rounds score there."
    )


class CompareStep(Step):
    """Try one method, score many, look at them side by side."""

    title = "Compare"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._writing = False
        self.one = MethodPanel(bench)
        part = collapsible("One method", self.one)
        part.setObjectName("part-one-method")
        self.body.addWidget(part)
        self._build_methods()
        self.table = ScoreTable()
        self.table.said.connect(lambda level, text: self.session.said.emit(level, text))
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
        layers = bench.canvas.viewer.layers
        for signal in (layers.events.inserted, layers.events.removed):
            self.listen(signal, self.scored.sync)
        for signal in (self.session.project_changed, self.session.scores_changed):
            self.listen(signal, self._sync)
        self.listen(self.session.paint_changed, self._sync_note)
        self.listen(self.session.job_changed, self.bar.sync)

    def _build_methods(self) -> None:
        # Not a flow layout: its rows were cut off where the dock got narrower afterwards.
        grid = QGridLayout()
        grid.setVerticalSpacing(4)
        self.methods: dict[str, QCheckBox] = {}
        for number, (name, method) in enumerate(METHODS.items()):
            box = QCheckBox(method.title)
            box.setToolTip(method.summary)
            box.setObjectName(f"method-{name}")
            box.setChecked(name in _USUAL)
            grid.addWidget(box, *divmod(number, 2))
            self.methods[name] = box
        self.body.addLayout(grid)
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
        self.scored = TruthChoice(self.bench)
        self.truth = self.scored.layer
        self.scored.changed.connect(self._sync_note)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Methods", row)
        form.addRow(self.scored)
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

    def _sync_note(self, *_: Any) -> None:
        held = self.session.painted_held_out() if self.session.project else ()
        if self.scored.chosen is not None:
            text = "Scored on the truth, without the voxels that are learned from."
        elif held:
            text = scored_on(held, *self.session.held_out_share())
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
        truth = self.scored.chosen
        if truth is None:
            self.bench.compare(names)
        elif not self._writing:
            self._write_truth(truth, names)

    def _write_truth(self, layer: Labels, names: list[str]) -> None:
        """Write a truth layer into the project, for the engine, in a thread; compare then."""
        project, zero = self.session.require_project(), self.scored.zero.isChecked()
        self._writing = True
        self.session.said.emit("info", f"Writing {layer.name} for the engine…")
        worker = create_worker(
            write_truth,
            stack_of(layer),
            project.path / "comparison",
            project.spacing,
            spacing_known=project.document.spacing_known,
            _ignore_errors=True,
        )
        worker.returned.connect(lambda path: self._compare_on(project, names, path, zero))
        worker.errored.connect(lambda error: self.session.said.emit("error", str(error)))
        worker.finished.connect(self._written)
        worker.start()

    def _compare_on(self, project: Project, names: list[str], path: str, zero: bool) -> None:
        if project is self.session.project:
            compare = partial(self.bench.compare, names, path, zero_is_background=zero)
            self.bench.attempt(compare)

    def _written(self) -> None:
        self._writing = False

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
