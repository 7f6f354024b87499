"""Three boxes for the edges of a voxel."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QWidget

from napari_densify.core.volume import Spacing

__all__ = ["VoxelSize"]


class VoxelSize(QWidget):
    """Edges of a voxel along Z, Y, X, in nanometres."""

    edited = Signal()
    """The user entered another size."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes = [self._box(axis) for axis in "ZYX"]
        row = QGridLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for column, (axis, box) in enumerate(zip("ZYX", self.boxes, strict=True)):
            row.addWidget(QLabel(axis), 0, 2 * column)
            row.addWidget(box, 0, 2 * column + 1)
            row.setColumnStretch(2 * column + 1, 1)
        self._exact = self._shown = self._entered()

    def _box(self, axis: str) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(0.01, 1e9)
        box.setDecimals(2)
        box.setSpecialValueText("–")  # nothing is chosen yet: no voxel is a tenth of an atom
        # napari's style wants wide boxes, Qt room for the largest number there could be.
        box.setStyleSheet("QDoubleSpinBox { min-width: 48px; padding: 0px 4px; }")
        box.setMinimumWidth(56)
        box.setKeyboardTracking(False)
        box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        box.setToolTip(f"Edge of a voxel along {axis}, in nanometres")
        box.setObjectName(f"voxel-{axis.lower()}")
        box.valueChanged.connect(lambda _: self.edited.emit())
        return box

    def value(self) -> Spacing:
        """Return the size (Z, Y, X) in nm; of an edge that was not edited, every digit."""
        edges = zip(self._exact, self._shown, self._entered(), strict=True)
        z, y, x = (exact if shown == entered else entered for exact, shown, entered in edges)
        return z, y, x

    def _entered(self) -> Spacing:
        z, y, x = (box.value() for box in self.boxes)
        return z, y, x

    def show_value(self, spacing: Spacing) -> None:
        """Show a size without saying that it was edited."""
        for box, value in zip(self.boxes, spacing, strict=True):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)
        self._exact, self._shown = spacing, self._entered()
