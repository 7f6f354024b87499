"""A strip as long as the stack: what is painted where, what is held out, where to go next."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_densify.core.labels import ClassTable

__all__ = ["SliceStrip"]

_HEIGHT = 34


class SliceStrip(QWidget):
    """Bars of painted classes per Z slice; a click goes there.

    Parameters
    ----------
    height
        In pixels.
    """

    clicked = Signal(int)
    """Z slice that the user wants to see."""

    def __init__(self, height: int = _HEIGHT) -> None:
        super().__init__()
        self._height = height
        self._mark, self._foot = max(6, height // 4), 5 if height > 20 else 4
        self._slices = 0
        self._current = 0
        self._counts: dict[int, dict[int, int]] = {}
        self._held_out: frozenset[int] = frozenset()
        self._suggested: tuple[int, ...] = ()
        self._classes = ClassTable(classes=())
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Painted slices")

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(40, self._height)

    def show_paint(
        self, slices: int, counts: dict[int, dict[int, int]], classes: ClassTable
    ) -> None:
        """Show painted voxels per slice and class of a stack of ``slices``."""
        self._slices, self._counts, self._classes = slices, counts, classes
        self.update()

    def show_marks(self, held_out: frozenset[int], suggested: tuple[int, ...]) -> None:
        """Show held-out slices (a bar under them) and suggested ones (a triangle above)."""
        self._held_out, self._suggested = held_out, suggested
        self.update()

    def show_current(self, z: int) -> None:
        """Show which slice is on screen."""
        self._current = z
        self.update()

    def slice_at(self, x: float) -> int:
        """Z slice under a horizontal position in pixels."""
        return min(self._slices - 1, max(0, int(x / max(1, self.width()) * self._slices)))

    def middle_of(self, z: int) -> float:
        """Horizontal position in pixels of the middle of a Z slice."""
        return (z + 0.5) * self.width() / max(1, self._slices)

    def paintEvent(self, event: object) -> None:
        """Draw bars, marks and the slice on screen."""
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlpha(28)
        body = QRectF(0, self._mark, self.width(), self.height() - self._mark - self._foot)
        painter.fillRect(body, faint)
        if self._slices:
            self._draw_bars(painter, body)
            self._draw_marks(painter, body, text)
        painter.end()

    def _span(self, z: int) -> tuple[float, float]:
        step = self.width() / self._slices
        return z * step, max(step, 2.0)

    def _draw_bars(self, painter: QPainter, body: QRectF) -> None:
        """Painted slices are full bars, divided by class as the paint on them is."""
        colors = {c.value: QColor(c.color) for c in self._classes.classes}
        for z, row in self._counts.items():
            left, width = self._span(z)
            total, top = sum(row.values()), body.bottom()
            for value, n in row.items():
                height = body.height() * n / total
                top -= height
                painter.fillRect(
                    QRectF(left, top, width, height), colors.get(value, QColor("#888888"))
                )

    def _draw_marks(self, painter: QPainter, body: QRectF, text: QColor) -> None:
        for z in self._held_out:
            left, width = self._span(z)
            painter.fillRect(
                QRectF(left, body.bottom() + 1.5, width, self._foot - 2), QColor("#ee8866")
            )
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#ccbb44"))
        for z in self._suggested:
            painter.drawPolygon(_triangle(self.middle_of(z), self._mark - 2))
        left, width = self._span(self._current)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(text, 1.5))
        painter.drawRect(QRectF(left, body.top() - 1, width, body.height() + 2))

    def mousePressEvent(self, event: object) -> None:
        """Go to the slice under the pointer."""
        if self._slices:
            self.clicked.emit(self.slice_at(event.position().x()))

    def mouseMoveEvent(self, event: object) -> None:
        """Follow a drag; otherwise tell about the slice under the pointer."""
        if not self._slices:
            return
        z = self.slice_at(event.position().x())
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.clicked.emit(z)
        QToolTip.showText(event.globalPosition().toPoint(), self.describe(z), self)

    def describe(self, z: int) -> str:
        """Paint and marks of a slice, in words."""
        row = self._counts.get(z, {})
        paint = ", ".join(f"{self._classes.name(v)} {n:,}" for v, n in row.items())
        parts = [f"slice {z}: {paint} voxels" if row else f"slice {z}: not painted"]
        if z in self._held_out:
            parts.append("held out: scored, never trained on")
        if z in self._suggested:
            parts.append("suggested: paint here next")
        return "\n".join(parts)


def _triangle(middle: float, height: float) -> QPolygonF:
    half = height * 0.6
    return QPolygonF(
        [QPointF(middle - half, 0), QPointF(middle + half, 0), QPointF(middle, height)]
    )
