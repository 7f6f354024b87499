"""Paint, held-out and suggested slices right above napari's slice slider, in line with it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from qtpy.QtCore import QEvent, QObject, QPoint
from qtpy.QtWidgets import QHBoxLayout, QScrollBar, QStyle, QStyleOptionSlider, QWidget

from napari_densify.annotations.suggestion import PLANES
from napari_densify.plugin.strip import SliceStrip
from napari_densify.plugin.workbench import Workbench

__all__ = ["SliderMarks"]

_HEIGHT = 18


class SliderMarks(QObject):
    """A low strip over the Z slider of the viewer's window; it goes with the dock.

    Parameters
    ----------
    bench
        Session and viewer. Where this napari's window is built otherwise, nothing is
        shown: the strip in the dock tells the same.
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench = bench
        self.strip = SliceStrip(_HEIGHT)
        self.holder: QWidget | None = None
        self._bar: QScrollBar | None = None
        self._sliders = _sliders_of(bench.canvas.viewer)
        if self._sliders is not None:
            self._insert(self._sliders)

    def _insert(self, sliders: QWidget) -> None:
        self.holder = QWidget()
        self.holder.setObjectName("slider-marks")
        self.holder.setMinimumWidth(1)  # margins as wide as other layers hold nothing open
        row = QHBoxLayout(self.holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.strip)
        around = sliders.parentWidget().layout()
        around.insertWidget(around.indexOf(sliders), self.holder)
        sliders.installEventFilter(self)
        self.strip.clicked.connect(self.bench.canvas.go_to_slice)
        session = self.bench.session
        for signal in (session.project_changed, session.paint_changed):
            signal.connect(self.sync)
        self.bench.canvas.slice_changed.connect(self.strip.show_current)
        for event in self._events():
            event.connect(self.sync)
        self.sync()

    def _events(self) -> tuple[Any, ...]:
        """List what changes which slices the slider goes through."""
        events = self.bench.canvas.viewer.dims.events
        return events.order, events.ndisplay, events.range

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep in line with the slider when the window changes its size."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._align()
        return False

    def sync(self, *_: Any) -> None:
        """Show what the session says, while Z is what the slider moves through."""
        session = self.bench.session
        slices = session.slice_counts()
        suggested = tuple(s["index"] for s in session.suggested if s["axis"] == PLANES[0])
        self.strip.show_paint(session.shape[0], slices, session.classes)
        self.strip.show_marks(session.held_out, suggested)
        self.strip.show_current(self.bench.canvas.current_slice)
        dims = self.bench.canvas.viewer.dims
        through_z = dims.ndim >= 3 and dims.ndim - 3 not in dims.displayed
        # Room from the start: the image must not move under the first stroke.
        self.holder.setVisible(through_z and session.shape[0] > 1)
        self._align()

    def _align(self, *_: Any) -> None:
        """Put each slice under the middle of the slider's handle, as far as there is room."""
        widgets = self._sliders.slider_widgets
        number = self.bench.canvas.viewer.dims.ndim - 3
        if self.holder is None or not 0 <= number < len(widgets):
            return
        bar, bench = widgets[number].slider, self.bench
        if bar is not self._bar:  # its handle is as long as its range lets it
            self._bar = bar
            bar.rangeChanged.connect(self._align)
        left = bar.mapTo(self._sliders, QPoint(0, 0)).x()
        right = self._sliders.width() - left - bar.width()
        first, last = bench.canvas.point.reach(0, bench.session.shape[0])
        begin, end = _handle_way(bar)
        left += max(0, round(begin + first * (end - begin)))
        right += max(0, round(bar.width() - begin - last * (end - begin)))
        self.holder.layout().setContentsMargins(max(0, left), 2, max(0, right), 0)

    def let_go(self) -> None:
        """Take the strip away."""
        if self.holder is None:
            return
        with suppress(RuntimeError, ValueError, TypeError):  # the window may have gone before
            self._take_away()
        self.holder = None

    def _take_away(self) -> None:
        session = self.bench.session
        for signal in (session.project_changed, session.paint_changed):
            signal.disconnect(self.sync, missing_ok=True)
        for event in self._events():
            event.disconnect(self.sync)
        self._sliders.removeEventFilter(self)
        self.bench.canvas.slice_changed.disconnect(self.strip.show_current)
        self.holder.deleteLater()


def _handle_way(bar: QScrollBar) -> tuple[float, float]:
    """Pixels at which the middle of the handle stands at the first and at the last stop."""
    option = QStyleOptionSlider()
    bar.initStyleOption(option)
    groove, handle = (
        bar.style().subControlRect(QStyle.ComplexControl.CC_ScrollBar, option, part, bar)
        for part in (
            QStyle.SubControl.SC_ScrollBarGroove,
            QStyle.SubControl.SC_ScrollBarSlider,
        )
    )
    half = handle.width() / 2
    return groove.x() + half, groove.x() + groove.width() - half


def _sliders_of(viewer: Any) -> QWidget | None:
    """Widget that holds the sliders; napari gives no public way to it."""
    window = getattr(viewer, "window", None)
    sliders = getattr(getattr(window, "_qt_viewer", None), "dims", None)
    fits = sliders is not None and hasattr(sliders, "slider_widgets")
    return sliders if fits and sliders.parentWidget().layout() is not None else None
