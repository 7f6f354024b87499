"""The table of scores: sort, filter, choose columns, copy, save."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_densify.plugin.save_dialog import ask_file
from napari_densify.plugin.step import button, narrow

__all__ = ["ScoreTable", "columns_of", "read_table", "text_of"]

TABLES = (".csv", ".tsv", ".txt")

_TALLEST = 300
_LONG = 60

TIPS = {
    "method": "Classical method or trained round",
    "mean Dice": "Mean Dice over classes, on voxels that were not learned from",
    "interval": "95 % interval of the mean Dice over slices, where there are three or more",
    "mean IoU": "Mean intersection over union, on the same voxels",
    "boundary F1": "How well boundaries lie within the tolerance; 1 is perfect",
    "Rand error": "Adapted Rand error of connected regions, slice by slice; 0 is perfect",
    "VI": "Variation of information of connected regions, in bits; 0 is perfect",
    "seconds": "Seconds that it took; tuning not included",
    "tuning seconds": "Seconds that the search for parameters took",
    "parameters": "Parameters that differ from the defaults",
}
_HEADS = {"method": "Method", "mean Dice": "Dice", "mean IoU": "IoU", "seconds": "s"}
_WORDS = ("method", "family")
_MEASURES = ("Dice", "IoU", "precision", "recall")


def columns_of(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Name the groups of columns that can be shown; the first gives the overview."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    groups = {
        "Overview": ("mean Dice", "interval", "mean IoU", "seconds"),
        "Boundaries and regions": ("mean Dice", "boundary F1", "Rand error", "VI"),
    }
    for key in keys:
        measure, _, name = key.partition(" ")
        if measure == "Dice" and name:
            groups[name] = tuple(f"{m} {name}" for m in _MEASURES)
    groups["Time and parameters"] = ("seconds", "tuning seconds", "parameters")
    return groups


def text_of(row: dict[str, Any], key: str) -> str:
    """Text of a cell."""
    value = row.get(key)
    if key == "interval" and row.get("low") is not None:
        return f"{row['low']:.2f}–{row['high']:.2f}"
    if key == "method" and isinstance(value, str) and value.isdigit():
        return f"Round {int(value)}"
    if value is None or value == "":
        return "–"
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)


def read_table(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a ``table.csv`` that a comparison has left."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        return [{k: v if k in _WORDS else _number(v) for k, v in row.items()} for row in rows]


def _number(text: str | None) -> Any:
    try:
        return float(text) if text else None
    except ValueError:
        return text


class _Cell(QTableWidgetItem):
    """A table cell that sorts numbers as numbers."""

    def __init__(self, text: str, value: Any) -> None:
        super().__init__(text if len(text) <= _LONG else f"{text[:_LONG]}…")
        self._value = value if isinstance(value, int | float) else None
        if len(text) > _LONG:
            self.setToolTip(text)
        if self._value is not None or text == "–":
            self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        mine, theirs = self._value, getattr(other, "_value", None)
        if mine is None or theirs is None:
            return super().__lt__(other) if mine is theirs else mine is None
        return bool(mine < theirs)


class ScoreTable(QWidget):
    """Scores of methods and rounds; a group of columns at a time, as a dock is narrow."""

    said = Signal(str, str)
    """``info`` or ``warning``, and one line for the user."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.addLayout(self._build_choice())
        self.table = self._build_table()
        body.addWidget(self.table)
        row = QHBoxLayout()
        self.copy = button("Copy", "Copy the whole table, to be pasted into a sheet", self._copy)
        self.save = button("Save CSV…", "Save the whole table", self._save, name="save-csv")
        row.addWidget(self.copy)
        row.addWidget(self.save)
        body.addLayout(row)

    def _build_choice(self) -> QHBoxLayout:
        self.group = QComboBox()
        self.group.setObjectName("columns")
        narrow(self.group)
        self.group.setToolTip("Columns to show")
        self.group.currentIndexChanged.connect(self._fill)
        self.filter = QLineEdit()
        self.filter.setObjectName("filter")
        self.filter.setPlaceholderText("Filter")
        self.filter.setClearButtonEnabled(True)
        self.filter.setToolTip("Show methods whose name or family contains this")
        self.filter.textChanged.connect(self._filter)
        row = QHBoxLayout()
        row.addWidget(self.group, 1)
        row.addWidget(self.filter, 1)
        return row

    def _build_table(self) -> QTableWidget:
        table = QTableWidget(0, 0)
        table.setObjectName("scores")
        table.verticalHeader().hide()
        table.setShowGrid(False)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.horizontalHeader().setHighlightSections(False)
        return table

    def set_rows(self, rows: list[dict[str, Any]]) -> None:
        """Show these rows; the chosen columns are kept."""
        self.rows = rows
        chosen = self.group.currentText()
        self.group.blockSignals(True)
        self.group.clear()
        self.group.addItems(list(columns_of(rows)))
        self.group.setCurrentIndex(max(0, self.group.findText(chosen)))
        self.group.blockSignals(False)
        self._fill()

    def _fill(self, *_: Any) -> None:
        keys = ("method", *columns_of(self.rows)[self.group.currentText() or "Overview"])
        table = self.table
        table.setSortingEnabled(False)
        table.setColumnCount(len(keys))
        table.setHorizontalHeaderLabels([_head(key) for key in keys])
        table.setRowCount(len(self.rows))
        for number, row in enumerate(self.rows):
            for column, key in enumerate(keys):
                table.setItem(number, column, _Cell(text_of(row, key), _sortable(row, key)))
            if row.get("error"):
                table.item(number, 0).setToolTip(str(row["error"]))
        for column, key in enumerate(keys):
            measure = key.partition(" ")[0]
            tip = TIPS.get(key, f"{measure} of the class {key.partition(' ')[2]}")
            table.horizontalHeaderItem(column).setToolTip(tip)
        self._fit(keys)
        table.setSortingEnabled(True)
        table.sortItems(1, Qt.SortOrder.DescendingOrder)
        self._filter()

    def _fit(self, keys: Sequence[str]) -> None:
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        wide = keys.index("parameters") if "parameters" in keys else 0
        header.setSectionResizeMode(wide, QHeaderView.ResizeMode.Stretch)

    def _filter(self, *_: Any) -> None:
        """Hide rows that do not match, and take no more height than the others need."""
        wanted = self.filter.text().strip().lower()
        families = {text_of(row, "method"): str(row.get("family", "")) for row in self.rows}
        shown = 0
        for number in range(self.table.rowCount()):
            name = self.table.item(number, 0).text()
            hidden = wanted not in f"{name} {families.get(name, '')}".lower()
            self.table.setRowHidden(number, hidden)
            shown += 0 if hidden else self.table.rowHeight(number)
        height = self.table.horizontalHeader().sizeHint().height() + shown + 6
        bar = self.table.horizontalScrollBar().sizeHint().height()
        self.table.setFixedHeight(min(height + bar, _TALLEST))

    # out of here

    def text(self, separator: str = "\t") -> str:
        """Return all rows and columns, separated."""
        names = list(dict.fromkeys(key for row in self.rows for key in row))
        stream = io.StringIO()
        writer = csv.DictWriter(stream, names, delimiter=separator, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in self.rows)
        return stream.getvalue()

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.text())

    def _save(self) -> None:
        path = ask_file(self, "Save the table", "scores.csv", {"CSV (*.csv)": ".csv"}, TABLES)
        if path is not None:
            self._write(path)

    def _write(self, path: Path) -> None:
        try:
            path.write_text(self.text(","), encoding="utf-8")
        except OSError as error:
            reason = error.strerror or error
            self.said.emit("warning", f"{path}: {reason}; save the table in another place")
        else:
            self.said.emit("info", f"Saved {path}")


def _head(key: str) -> str:
    measure, _, name = key.partition(" ")
    return _HEADS.get(key) or (measure if measure in _MEASURES and name else key.capitalize())


def _sortable(row: dict[str, Any], key: str) -> Any:
    return row.get("low") if key == "interval" else row.get(key)
