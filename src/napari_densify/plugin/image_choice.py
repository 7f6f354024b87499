"""Which channels and which pyramid level of an image the network gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QWidget
from superqt.utils import QFlowLayout

__all__ = ["ImageChoice"]


class ImageChoice(QWidget):
    """Boxes for channels and a list of levels; hidden where there is one of each."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        self.boxes: dict[int, QCheckBox] = {}
        self._row = QFlowLayout()
        self._channels = QWidget()
        self._channels.setLayout(self._row)
        self._row.setContentsMargins(0, 0, 0, 0)
        self.levels = QComboBox()
        self.levels.setObjectName("level")
        self.levels.setToolTip(
            "Level of the pyramid that is painted, trained and predicted on; "
            "coarser ones are quicker, finer ones show more detail"
        )
        self.levels.currentIndexChanged.connect(lambda _: self.changed.emit())
        form.addRow("Channels", self._channels)
        form.addRow("Level", self.levels)
        self._form = form
        self.show_choice({}, 0, [])

    def show_choice(self, channels: dict[int, str], chosen: int, levels: Sequence[Any]) -> None:
        """Offer channels by number and name (one of them ticked), and levels by their shape."""
        for box in self.boxes.values():
            self._row.removeWidget(box)
            box.deleteLater()
        self.boxes = {number: self._box(number, name) for number, name in channels.items()}
        if chosen in self.boxes:
            self.boxes[chosen].setChecked(True)
        self.levels.blockSignals(True)
        self.levels.clear()
        for number, shape in enumerate(levels):
            self.levels.addItem(f"{number}: {' × '.join(map(str, shape))}")
        self.levels.blockSignals(False)
        several = (len(channels) > 1, len(levels) > 1)
        for widget, wanted in zip((self._channels, self.levels), several, strict=True):
            widget.setVisible(wanted)
            label = self._form.labelForField(widget)
            if label is not None:
                label.setVisible(wanted)
        self.setVisible(any(several))

    def _box(self, number: int, name: str) -> QCheckBox:
        box = QCheckBox(name)
        box.setObjectName(f"channel-{number}")
        box.setToolTip(f"Give channel {number} to the network")
        box.toggled.connect(lambda _: self.changed.emit())
        self._row.addWidget(box)
        return box

    def channels(self) -> tuple[int, ...]:
        """Channels that are ticked; empty where there is nothing to choose."""
        return tuple(number for number, box in self.boxes.items() if box.isChecked())

    def level(self) -> int:
        """Level that is chosen."""
        return max(0, self.levels.currentIndex())
