"""Step 5: classical methods and rounds on the same held-out paint, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QProgressBar,
    QTableWidget,
    QTableWidgetItem,
)
from superqt.utils import QFlowLayout

from napari_densify.classical import METHODS
from napari_densify.plugin.grid import set_side_by_side
from napari_densify.plugin.layers import grid_of
from napari_densify.plugin.step import Step, button, hint
from napari_densify.plugin.workbench import Workbench

__all__ = ["CompareStep"]

# Quick, and each of another family; all of them take minutes.
_USUAL = ("threshold", "watershed", "random_forest", "interpolation")

COLUMNS = (("method", "Method"), ("mean Dice", "Dice"), ("mean IoU", "IoU"), ("seconds", "s"))
TIPS = (
    "Classical method or trained round",
    "Mean Dice over classes, on slices that were not trained on",
    "Mean intersection over union, on the same voxels",
    "Seconds that it took",
)


class CompareStep(Step):
    """Run methods, sort their scores, look at them side by side."""

    title = "Compare"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._build_methods()
        self._build_table()
        self._sync()
        for signal in (self.session.project_changed, self.session.scores_changed):
            self.listen(signal, self._sync)
        self.listen(self.session.job_changed, self._sync_job)

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
        self.compare = button(
            "Compare",
            "Score these methods beside the chosen round, on slices held out of training",
            self._compare,
        )
        self.compare.setMinimumHeight(34)
        self.stop = button("Stop", "Stop; methods that are done are kept", self.bench.stop)
        row = QHBoxLayout()
        row.addWidget(self.compare, 3)
        row.addWidget(self.stop, 1)
        self.body.addLayout(row)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.status = hint("", name="compare-status")
        self.body.addWidget(self.progress)
        self.body.addWidget(self.status)

    def _build_table(self) -> None:
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setObjectName("scores")
        self.table.setHorizontalHeaderLabels([title for _, title in COLUMNS])
        for column, tip in enumerate(TIPS):
            self.table.horizontalHeaderItem(column).setToolTip(tip)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.note = hint("", name="compare-note")
        row = QHBoxLayout()
        self.grid = button("Side by side", "Image and labels of each in a grid", self._grid)
        self.grid.setCheckable(True)
        self.report = button(
            "Open report", "Table, pictures and parameters as a page", self._report
        )
        row.addWidget(self.grid)
        row.addWidget(self.report)
        self.body.addWidget(self.table)
        self.body.addWidget(self.note)
        self.body.addLayout(row)

    # sync

    def _sync(self, *_: Any) -> None:
        self.setEnabled(self.session.project is not None)
        rows = self.session.comparison
        self.table.setSortingEnabled(False)
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, (key, _) in enumerate(COLUMNS):
                self.table.setItem(number, column, _Cell(_shown(row.get(key))))
            if row.get("error"):
                self.table.item(number, 0).setToolTip(str(row["error"]))
        self.table.setSortingEnabled(True)
        self.table.sortItems(1, Qt.SortOrder.DescendingOrder)
        self._fit_height()
        self.table.setVisible(bool(rows))
        self.report.setEnabled(self._report_file() is not None)
        self.grid.setChecked(bool(grid_of(self.bench.canvas.viewer).enabled))
        self._sync_note()
        self._sync_job()

    def _fit_height(self) -> None:
        height = self.table.horizontalHeader().sizeHint().height() + 4
        height += sum(self.table.rowHeight(row) for row in range(self.table.rowCount()))
        self.table.setFixedHeight(min(height, 260))

    def _sync_note(self) -> None:
        held = sorted(self.session.held_out & set(self.session.slice_counts()))
        if held:
            text = f"Scored on held-out slice{'s' if len(held) > 1 else ''} {_list(held)}."
        else:
            text = "No slice is held out: about a third of the painted ones is kept for scoring."
        self.note.setText(text)

    def _sync_job(self, *_: Any) -> None:
        job = self.session.job
        comparing = job is not None and job.kind == "compare"
        self.compare.setEnabled(job is None)
        self.compare.setText("Comparing…" if comparing else "Compare")
        for widget in (self.stop, self.progress, self.status):
            widget.setVisible(comparing)
        if job is not None and comparing:
            self.stop.setEnabled(not job.stopping)
            self.progress.setValue(round(1000 * (job.fraction or 0)))
            self.status.setText(job.status)

    # clicks

    def _compare(self) -> None:
        names = [name for name, box in self.methods.items() if box.isChecked()]
        self.bench.attempt(self.bench.compare, names)

    def _grid(self) -> None:
        set_side_by_side(self.bench.canvas, self.grid.isChecked())

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


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def _shown(value: Any) -> Any:
    """Name rounds as they are named elsewhere: 001 is round 1."""
    return f"Round {int(value)}" if isinstance(value, str) and value.isdigit() else value


class _Cell(QTableWidgetItem):
    """A table cell that sorts numbers as numbers."""

    def __init__(self, value: Any) -> None:
        number = isinstance(value, int | float)
        text = "–" if value is None else f"{value:.3g}" if number else str(value)
        super().__init__(text)
        self._value = value if number else None
        if number or value is None:
            self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        mine, theirs = self._value, getattr(other, "_value", None)
        if mine is None or theirs is None:
            return super().__lt__(other) if mine is theirs else mine is None
        return bool(mine < theirs)
