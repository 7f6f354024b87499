"""The rounds of training: scores, names, which one predicts, and whether more paint would help."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QMessageBox,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
)

from napari_densify.plugin.curves import LearningCurve
from napari_densify.plugin.rounds import describe_trend, learning_points, row_of
from napari_densify.plugin.step import Step, button, hint
from napari_densify.plugin.workbench import Workbench
from napari_densify.project import Round

__all__ = ["RoundsPanel"]

COLUMNS = ("Round", "Dice", "Slices", "When")
TIPS = (
    "Name; double-click to change it",
    "Mean Dice at the end of the training, from held-out paint and, where that is little, from "
    "what the network expects; – where none was held out. Compare scores held-out paint alone",
    "Painted slices that it learned from",
    "When it was begun",
)
_MOST_ROWS = 6


class RoundsPanel(Step):
    """A table of rounds; the chosen one predicts, is compared, and suggests."""

    title = "Rounds"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self.body.setContentsMargins(0, 0, 0, 0)
        self._build_table()
        self._build_buttons()
        self.curve = LearningCurve()
        self.trend = hint("", name="trend")
        self.body.addWidget(self.curve)
        self.body.addWidget(self.trend)
        self._sync()
        for signal in (self.session.project_changed, self.session.rounds_changed):
            self.listen(signal, self._sync)
        self.listen(self.session.job_changed, self._sync_buttons)

    def _build_table(self) -> None:
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setObjectName("rounds")
        self.table.setHorizontalHeaderLabels(COLUMNS)
        for column, tip in enumerate(TIPS):
            self.table.horizontalHeaderItem(column).setToolTip(tip)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.table.itemChanged.connect(self._renamed)
        self.table.itemSelectionChanged.connect(self._selected)
        self.body.addWidget(self.table)

    def _build_buttons(self) -> None:
        self.pair = button(
            "Side by side",
            "Show the predictions of two rounds beside each other (Ctrl+click selects a second)",
            self._pair,
            name="rounds-side-by-side",
        )
        self.restore = button(
            "Take its paint",
            "Go back to the strokes that this round learned from (one undo step)",
            self._restore,
            name="restore-strokes",
        )
        self.delete = button(
            "Delete", "Delete this round's model, scores and predictions", self._delete
        )
        self.buttons = (self.pair, self.restore, self.delete)
        grid = QGridLayout()
        grid.setSpacing(4)
        for column, made in enumerate(self.buttons):
            made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            grid.addWidget(made, 0, column)
        self.body.addLayout(grid)

    # sync

    def rounds(self) -> list[Round]:
        """Return the rounds of the project, oldest first."""
        return self.session.project.rounds() if self.session.project else []

    def _sync(self, *_: Any) -> None:
        rounds = self.rounds()
        self.setVisible(bool(rounds))
        self.table.blockSignals(True)
        self.table.setRowCount(len(rounds))
        for number, item in enumerate(rounds):
            self._fill(number, item)
        self.table.clearSelection()  # it is by row: after a deletion it is another round's
        numbers = [item.number for item in rounds]
        if numbers:
            chosen = self.session.round_number
            self.table.selectRow(numbers.index(chosen if chosen in numbers else numbers[-1]))
        self.table.blockSignals(False)
        self._fit()
        points = learning_points(rounds)
        self.curve.show_points(points)
        self.curve.setVisible(len(points) > 1)
        self.trend.setText(describe_trend(points))
        self.trend.setVisible(bool(self.trend.text()))
        self._sync_buttons()

    def _fill(self, number: int, item: Round) -> None:
        for column, text in enumerate(row_of(item)):
            cell = QTableWidgetItem(text)
            cell.setData(Qt.ItemDataRole.UserRole, item.number)
            if column:
                cell.setFlags(cell.flags() & ~Qt.ItemFlag.ItemIsEditable)
                cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(number, column, cell)

    def _fit(self) -> None:
        rows = min(max(self.table.rowCount(), 1), _MOST_ROWS)
        head = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(head + rows * self.table.rowHeight(0) + 6)

    def _sync_buttons(self, *_: Any) -> None:
        idle, chosen = self.session.job is None, self.selected()
        self.pair.setEnabled(len(chosen) == 2)
        self.restore.setEnabled(len(chosen) == 1)
        self.delete.setEnabled(bool(chosen) and idle)

    def selected(self) -> list[Round]:
        """Return the rounds that are selected, oldest first."""
        numbers = {
            self.table.item(index.row(), 0).data(Qt.ItemDataRole.UserRole)
            for index in self.table.selectionModel().selectedRows()
        }
        return [item for item in self.rounds() if item.number in numbers]

    # clicks

    def _selected(self) -> None:
        chosen = self.selected()
        if len(chosen) == 1 and chosen[0].number != self.session.round_number:
            self.session.choose_round(chosen[0].number)
        self._sync_buttons()

    def _renamed(self, cell: QTableWidgetItem) -> None:
        number = cell.data(Qt.ItemDataRole.UserRole)
        self.bench.attempt(self.session.require_project().round(number).rename, cell.text())
        self.session.rounds_changed.emit()

    def _pair(self) -> None:
        self.bench.attempt(self.bench.show_rounds, [item.number for item in self.selected()])

    def _restore(self) -> None:
        for item in self.selected():
            self.bench.attempt(self.bench.painter.restore, item)

    def _delete(self) -> None:
        chosen = self.selected()
        names = ", ".join(item.name for item in chosen)
        answer = QMessageBox.question(self, "Delete round", f"Delete {names} for good?")
        if answer == QMessageBox.StandardButton.Yes:
            for item in chosen:
                self.bench.attempt(self.bench.delete_round, item)
            self.session.choose_round(0)
