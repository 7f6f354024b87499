"""What a file of annotations holds, and what each value, colour or category becomes."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHeaderView,
    QLineEdit,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_densify.core.labels import UNLABELLED
from napari_densify.io import ImportPlan, ImportSource, plan_import
from napari_densify.plugin.class_table import swatch
from napari_densify.plugin.step import hint

__all__ = ["ImportDialog"]

HEADERS = ("In the file", "Voxels", "Becomes", "Name")
_MOST_ROWS = 12


class ImportDialog(QDialog):
    """Shows an import before anything is painted; the user may change what becomes what.

    Parameters
    ----------
    source
        From `io.read_import`.
    parent
        Widget over which it opens.
    """

    def __init__(self, source: ImportSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.source = source
        self.plan = plan_import(source)
        self.setWindowTitle("Import annotations")
        self.setMinimumWidth(460)
        self.zero = QComboBox()
        self.zero.setObjectName("import-zero")
        self.zero.setToolTip("What voxels of value 0, black, or outside every outline mean")
        self.zero.addItem("not annotated", "unlabelled")
        self.zero.addItem("background", "background")
        self.zero.activated.connect(self._zero_chosen)
        self.table = QTableWidget(0, len(HEADERS))
        self.table.setHorizontalHeaderLabels(HEADERS)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(len(HEADERS) - 1, QHeaderView.ResizeMode.Stretch)
        self.result_line = hint("", name="import-result")
        self._build()
        self._fill()

    def _build(self) -> None:
        form = QFormLayout()
        form.addRow("0 means", self.zero)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.button(QDialogButtonBox.StandardButton.Ok).setText("Import")
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        body = QVBoxLayout(self)
        body.addWidget(hint(f"{self.source.source} ({self.source.kind})"))
        body.addLayout(form)
        body.addWidget(self.table)
        body.addWidget(self.result_line)
        body.addWidget(hint("What is painted already stays. Ctrl+Z takes the import back."))
        body.addWidget(buttons)

    def _zero_chosen(self, index: int) -> None:
        self.plan = plan_import(self.source, zero=self.zero.itemData(index))
        self._fill()

    def _fill(self) -> None:
        self.table.setRowCount(len(self.plan.rows))
        classes = self.plan.classes
        for number, row in enumerate(self.plan.rows):
            name = classes.name(row.value) if row.value else ""
            item = QTableWidgetItem(row.item.key)
            if row.item.color:
                item.setIcon(swatch(row.item.color))
            count = QTableWidgetItem(f"{row.item.voxels:,}")
            count.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            for column, cell in enumerate((item, count)):
                cell.setFlags(Qt.ItemFlag.ItemIsEnabled)
                self.table.setItem(number, column, cell)
            self.table.setCellWidget(number, 2, self._value_box(row))
            self.table.setCellWidget(number, 3, self._name_box(row, name))
        rows = min(max(1, len(self.plan.rows)), _MOST_ROWS)
        head = self.table.horizontalHeader().sizeHint().height()
        self.table.setMinimumHeight(head + rows * self.table.rowHeight(0) + 6)
        self._say()

    def _value_box(self, row: Any) -> QSpinBox:
        box = QSpinBox()
        box.setRange(UNLABELLED, 255)
        box.setSpecialValueText("nothing")
        box.setToolTip("Value of the class that it becomes; 0: not annotated")
        box.setValue(row.value)
        box.valueChanged.connect(
            lambda value: self._change(self.plan.with_value(row.item.code, value))
        )
        return box

    def _name_box(self, row: Any, name: str) -> QLineEdit:
        box = QLineEdit(name)
        box.setEnabled(bool(row.value))
        box.setToolTip("Name of the class, where the project hasn't painted it yet")
        box.editingFinished.connect(lambda: self._rename(row.item.code, box.text().strip()))
        return box

    def _rename(self, code: int, name: str) -> None:
        value = next(row.value for row in self.plan.rows if row.item.code == code)
        if name and value:
            self._change(self.plan.with_name(value, name), refill=False)

    def _change(self, plan: ImportPlan, *, refill: bool = True) -> None:
        self.plan = plan
        if refill:
            for number, row in enumerate(plan.rows):
                name = plan.classes.name(row.value) if row.value else ""
                self.table.cellWidget(number, 3).setText(name)
                self.table.cellWidget(number, 3).setEnabled(bool(row.value))
        self._say()

    def _say(self) -> None:
        parts = (f"{name} {count:,}" for name, count in self.plan.count().items() if count)
        self.result_line.setText(f"Voxels: {', '.join(parts) or 'none'}")
