"""Live curves: loss and held-out Dice over time, earlier rounds behind them."""

from __future__ import annotations

from collections.abc import Sequence

import pyqtgraph as pg
from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_densify.plugin.jobs import TrainingLog
from napari_densify.plugin.rounds import LearningPoint

__all__ = ["CurvesWidget", "LearningCurve"]

LOSS = "#4477aa"
DICE = "#228833"


class _Seconds(pg.AxisItem):
    """Time axis whose ticks carry their unit, so that it needs no label below."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Text of each tick."""
        return [f"{value * scale:g} s" for value in values]


def _bare_plot(**axes: pg.AxisItem) -> pg.PlotWidget:
    """Plot that only shows: no menu, no buttons, no zooming by accident."""
    plot = pg.PlotWidget(background=None, axisItems=axes)
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    plot.getPlotItem().getAxis("bottom").setHeight(24)  # napari's font is large
    plot.getPlotItem().getAxis("left").enableAutoSIPrefix(False)  # 0.7, not 700 (x0.001)
    return plot


class _Plots(QWidget):
    """A plot as high as it needs to be, in the colours of napari's theme."""

    def __init__(self, plot: pg.PlotWidget, height: int) -> None:
        super().__init__()
        self.plot = plot
        self.setFixedHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(plot)
        self._use_palette()

    def changeEvent(self, event: object) -> None:
        """Follow napari's theme."""
        super().changeEvent(event)
        if event.type() in (event.Type.PaletteChange, event.Type.StyleChange):
            self._use_palette()

    def _use_palette(self) -> None:
        if not hasattr(self, "plot"):
            return
        # napari colours its widgets by a style sheet, which leaves the palette as it was.
        color = get_theme(get_settings().appearance.theme).text.as_hex()
        for side in ("bottom", "left", "right"):
            axis = self.plot.getPlotItem().getAxis(side)
            axis.setPen(color)
            axis.setTextPen(color)


class _Slices(pg.AxisItem):
    """Axis of whole numbers of slices."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Ticks at whole numbers only."""
        step = max(1, round((high - low) / 5))
        first = int(low) + (low > int(low))
        return [(step, [float(v) for v in range(first, int(high) + 1) if v % step == 0])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Text of each tick."""
        return [f"{value:.0f} sl." for value in values]


class LearningCurve(_Plots):
    """Held-out Dice of the rounds against the painted slices that they learned from."""

    def __init__(self) -> None:
        super().__init__(_bare_plot(bottom=_Slices("bottom")), 120)
        self.plot.getPlotItem().setLabel("left", "held-out Dice", color=DICE)
        self._points = self.plot.plot(
            pen=pg.mkPen(DICE, width=1), symbol="o", symbolSize=7, symbolBrush=DICE, symbolPen=None
        )
        self.plot.getPlotItem().setYRange(0, 1, padding=0.04)
        self.setToolTip("Would more paint help? Each point is a round")

    def show_points(self, points: Sequence[LearningPoint]) -> None:
        """Draw the rounds."""
        self._points.setData([p.slices for p in points], [p.dice for p in points])


class CurvesWidget(_Plots):
    """Loss (left axis) and held-out Dice (right axis, 0 to 1) against seconds."""

    def __init__(self) -> None:
        super().__init__(_bare_plot(bottom=_Seconds("bottom")), 170)
        item = self.plot.getPlotItem()
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
        self._earlier: list[tuple[pg.PlotDataItem, pg.ViewBox]] = []

    def show_log(self, log: TrainingLog) -> None:
        """Draw a training as far as it is."""
        self._loss.setData(log.seconds, log.loss)
        self._dice.setData(log.score_seconds, log.dice)
        item = self.plot.getPlotItem()
        item.vb.enableAutoRange(item.vb.YAxis)
        latest = max([*log.seconds[-1:], *log.score_seconds[-1:], 1.0])
        item.vb.setXRange(0, latest, padding=0.02)

    def show_earlier(self, logs: list[TrainingLog]) -> None:
        """Draw earlier rounds thinly behind the current one: Dice dashed, loss dotted."""
        view = self.plot.getPlotItem().vb
        for curve, home in self._earlier:
            home.removeItem(curve)
        self._earlier = []
        for log in logs:
            self._overlay(self._right, log.score_seconds, log.dice, DICE, Qt.PenStyle.DashLine)
            self._overlay(view, log.seconds, log.loss, LOSS, Qt.PenStyle.DotLine)

    def _overlay(
        self, home: pg.ViewBox, x: list[float], y: list[float], color: str, style: Qt.PenStyle
    ) -> None:
        faint = QColor(color)
        faint.setAlpha(130)
        curve = pg.PlotDataItem(x, y, pen=pg.mkPen(faint, width=1, style=style))
        curve.setZValue(-1)
        home.addItem(curve)
        self._earlier.append((curve, home))

    def _fit(self) -> None:
        view = self.plot.getPlotItem().vb
        self._right.setGeometry(view.sceneBoundingRect())
        self._right.linkedViewChanged(view, self._right.XAxis)
