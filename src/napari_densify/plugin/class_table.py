"""The class table of a project: colour, name, key, background flag and painted voxels."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_densify.core.labels import ClassTable, LabelClass

__all__ = ["ClassTableWidget", "add_class", "remove_class", "replace_class", "swatch"]

COLOR, NAME, KEY, BACKGROUND, PAINTED = range(5)
_HEADERS = ("", "Class", "Key", "Backgr.", "Painted")
_TIPS = (
    "Colour; double-click to change it",
    "Name; double-click to change it",
    "Key that selects the class while the annotation layer is active",
    "The background class is transparent in predictions",
    "Annotated voxels",
)
MAX_VISIBLE_ROWS = 6


def add_class(table: ClassTable) -> ClassTable:
    """Return the table with one more class, with the lowest value that is free."""
    value = next(v for v in range(1, 65536) if v not in table.values)
    return table.only([*table.values, value])


def remove_class(table: ClassTable, value: int) -> ClassTable:
    """Return the table without a class."""
    return ClassTable(classes=tuple(c for c in table.classes if c.value != value))


def replace_class(table: ClassTable, value: int, **changes: object) -> ClassTable:
    """Return the table with a class changed; background flag and key belong to one class only."""
    rows = []
    for row in table.classes:
        if row.value == value:
            row = LabelClass.model_validate({**row.model_dump(), **changes})
        else:
            if changes.get("background"):
                row = row.model_copy(update={"background": False})
            if changes.get("key") and row.key == changes["key"]:
                row = row.model_copy(update={"key": ""})
        rows.append(row)
    return ClassTable(classes=tuple(rows))


def swatch(color: str, size: int = 14) -> QIcon:
    """Square icon in a class's colour."""
    pixmap = QPixmap(size, size)
    pixmap.fill(QColor(color))
    return QIcon(pixmap)


class ClassTableWidget(QTableWidget):
    """Shows and edits a class table; the selected row is the class that is painted."""

    edited = Signal(object)
    """A new `ClassTable`."""
    chosen = Signal(int)
    """Value of the class to paint."""
    refused = Signal(str)
    """Why an edit was not taken."""

    def __init__(self, ask_color: Callable[[QColor, QWidget], QColor] | None = None) -> None:
        super().__init__(0, len(_HEADERS))
        self._classes = ClassTable(classes=())
        self._counts: dict[int, int] = {}
        self._ask_color = ask_color or (lambda start, parent: QColorDialog.getColor(start, parent))
        self.setHorizontalHeaderLabels(_HEADERS)
        for column, tip in enumerate(_TIPS):
            self.horizontalHeaderItem(column).setToolTip(tip)
        self.verticalHeader().hide()
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setIconSize(QSize(14, 14))
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        header.setMinimumSectionSize(24)
        self.itemChanged.connect(self._item_changed)
        self.cellDoubleClicked.connect(self._double_clicked)
        self.itemSelectionChanged.connect(self._row_chosen)

    def show_classes(self, classes: ClassTable, counts: dict[int, int]) -> None:
        """Show a table and how much of each class is painted."""
        if (classes, counts) == (self._classes, self._counts) and self.rowCount() == len(classes):
            return
        only_counts = classes == self._classes and self.rowCount() == len(classes)
        self._classes, self._counts = classes, dict(counts)
        self.blockSignals(True)
        if only_counts:
            for row, entry in enumerate(classes.classes):
                self.item(row, PAINTED).setText(f"{counts.get(entry.value, 0):,}")
        else:
            self._fill(classes, counts)
        self.blockSignals(False)

    def _fill(self, classes: ClassTable, counts: dict[int, int]) -> None:
        chosen = self.chosen_value()
        self.setRowCount(len(classes))
        for row, entry in enumerate(classes.classes):
            self._fill_row(row, entry, counts.get(entry.value, 0))
        self._fit_height()
        self.choose(chosen)

    def _fill_row(self, row: int, entry: LabelClass, painted: int) -> None:
        fixed = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        color = QTableWidgetItem(swatch(entry.color), "")
        color.setFlags(fixed)
        color.setToolTip(f"Value {entry.value}. Double-click to change the colour.")
        name, key = QTableWidgetItem(entry.name), QTableWidgetItem(entry.key)
        background = QTableWidgetItem()
        background.setFlags(fixed | Qt.ItemFlag.ItemIsUserCheckable)
        state = Qt.CheckState.Checked if entry.background else Qt.CheckState.Unchecked
        background.setCheckState(state)
        count = QTableWidgetItem(f"{painted:,}")
        count.setFlags(fixed)
        count.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for column, item in enumerate((color, name, key, background, count)):
            self.setItem(row, column, item)

    def _fit_height(self) -> None:
        rows = min(max(self.rowCount(), 2), MAX_VISIBLE_ROWS)
        policies = Qt.ScrollBarPolicy
        fits = self.rowCount() <= MAX_VISIBLE_ROWS
        self.setVerticalScrollBarPolicy(
            policies.ScrollBarAlwaysOff if fits else policies.ScrollBarAsNeeded
        )
        head = max(self.horizontalHeader().sizeHint().height(), self.rowHeight(0))
        self.setFixedHeight(head + rows * self.rowHeight(0) + 2 * self.frameWidth() + 4)

    def chosen_value(self) -> int:
        """Value of the selected class; 0 if none is."""
        row = self.currentRow()
        return self._classes.values[row] if 0 <= row < len(self._classes) else 0

    def choose(self, value: int) -> None:
        """Select the row of a class without saying so."""
        blocked = self.blockSignals(True)
        if value in self._classes.values:
            self.selectRow(self._classes.values.index(value))
        else:
            self.clearSelection()
            self.setCurrentCell(-1, -1)
        self.blockSignals(blocked)
        self.viewport().update()

    def _row_chosen(self) -> None:
        if value := self.chosen_value():
            self.chosen.emit(value)

    def _double_clicked(self, row: int, column: int) -> None:
        if column == COLOR:
            entry = self._classes.classes[row]
            color = self._ask_color(QColor(entry.color), self)
            if color.isValid():
                self._change(entry.value, color=color.name())

    def _item_changed(self, item: QTableWidgetItem) -> None:
        value = self._classes.values[item.row()]
        if item.column() == NAME:
            self._change(value, name=item.text().strip())
        elif item.column() == KEY:
            self._change(value, key=item.text().strip())
        elif item.column() == BACKGROUND:
            self._change(value, background=item.checkState() == Qt.CheckState.Checked)

    def _change(self, value: int, **changes: object) -> None:
        try:
            table = replace_class(self._classes, value, **changes)
        except ValueError:
            self.refused.emit("a class needs a name, and its key is a single character")
            self.blockSignals(True)
            self._fill(self._classes, self._counts)
            self.blockSignals(False)
            return
        self.edited.emit(table)
