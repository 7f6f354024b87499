"""Live curves: loss and held-out Dice over time, earlier rounds behind them."""

from __future__ import annotations

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_densify.plugin.jobs import TrainingLog

__all__ = ["CurvesWidget"]

LOSS = "#4477aa"
DICE = "#228833"


class _Seconds(pg.AxisItem):
    """Time axis whose ticks carry their unit, so that it needs no label below."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Text of each tick."""
        return [f"{value * scale:g} s" for value in values]


class CurvesWidget(QWidget):
    """Loss (left axis) and held-out Dice (right axis, 0 to 1) against seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = pg.PlotWidget(background=None, axisItems={"bottom": _Seconds("bottom")})
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        item = self.plot.getPlotItem()
        item.getAxis("bottom").setHeight(24)  # napari's font is larger than pyqtgraph expects
        item.setLabel("left", "loss", color=LOSS)
        item.showAxis("right")
        item.setLabel("right", "held-out Dice", color=DICE)
        self._loss = item.plot(pen=pg.mkPen(LOSS, width=2))
        self._right = pg.ViewBox(enableMenu=False)
        item.scene().addItem(self._right)
        item.getAxis("right").linkToView(self._right)
        self._right.setXLink(item)
        self._right.setYRange(0, 1, padding=0.02)
        self._right.setMouseEnabled(x=False, y=False)
        self._dice = pg.PlotDataItem(
            pen=pg.mkPen(DICE, width=2), symbol="o", symbolSize=5, symbolBrush=DICE, symbolPen=None
        )
        self._right.addItem(self._dice)
        item.vb.sigResized.connect(self._fit)
        self._earlier: list[pg.PlotDataItem] = []
        self.setFixedHeight(170)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self._use_palette()

    def show_log(self, log: TrainingLog) -> None:
        """Draw a training as far as it is."""
        self._loss.setData(log.seconds, log.loss)
        self._dice.setData(log.score_seconds, log.dice)
        item = self.plot.getPlotItem()
        item.vb.enableAutoRange(item.vb.YAxis)
        latest = max([*log.seconds[-1:], *log.score_seconds[-1:], 1.0])
        item.vb.setXRange(0, latest, padding=0.02)

    def show_earlier(self, logs: list[TrainingLog]) -> None:
        """Draw earlier rounds thinly behind the current one."""
        for curve in self._earlier:
            self._right.removeItem(curve)
        self._earlier = []
        for log in logs:
            curve = pg.PlotDataItem(
                log.score_seconds,
                log.dice,
                pen=pg.mkPen(QColor(128, 128, 128), width=1, style=Qt.PenStyle.DashLine),
            )
            curve.setZValue(-1)
            self._right.addItem(curve)
            self._earlier.append(curve)

    def changeEvent(self, event: object) -> None:
        """Follow napari's theme."""
        super().changeEvent(event)
        if event.type() in (event.Type.PaletteChange, event.Type.StyleChange):
            self._use_palette()

    def _use_palette(self) -> None:
        if not hasattr(self, "plot"):
            return
        color = self.palette().color(QPalette.ColorRole.WindowText)
        for side in ("bottom", "left", "right"):
            axis = self.plot.getPlotItem().getAxis(side)
            axis.setPen(color)
            axis.setTextPen(color)

    def _fit(self) -> None:
        view = self.plot.getPlotItem().vb
        self._right.setGeometry(view.sceneBoundingRect())
        self._right.linkedViewChanged(view, self._right.XAxis)
