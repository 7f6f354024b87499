"""What the five steps have in common: build, sync once, listen, let go on close."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import ref

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QScrollBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_densify.plugin.workbench import Workbench, workbench_of

__all__ = ["Panel", "Part", "Step", "button", "collapsible", "hint", "narrow"]


_WIDTH = 384  # pixels that a dock needs, scroll bar included

_UNBOUNDED = 16777215  # QWIDGETSIZE_MAX, which the bindings don't export


class Step(QWidget):
    """One step of the work; subclasses build their widgets and sync them with the session."""

    title = ""

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench = bench
        self.session = bench.session
        self._links: list[tuple[Any, Callable[..., None]]] = []
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(4, 4, 4, 4)
        self.body.setSpacing(6)
        self.setObjectName(f"densify-{self.title.lower()}")

    def listen(self, signal: Any, slot: Callable[..., None]) -> None:
        """Connect a signal for as long as this step is open."""
        signal.connect(slot)
        self._links.append((signal, slot))

    def let_go(self) -> None:
        """Disconnect everything: the step is closing."""
        # The garbage collector may empty this object before Qt deletes the widget.
        links = vars(self).get("_links", [])
        for signal, slot in links:
            # Qt undoes its own connections when a widget is deleted; psygnal does not.
            with suppress(TypeError, ValueError, RuntimeError):
                signal.disconnect(slot)
        links.clear()


class Panel(QWidget):
    """Steps that scroll over a foot that stays; lets go of everything when its dock closes."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.bench = workbench_of(napari_viewer)
        self.steps: list[Step] = []
        self._token = self.bench.use()
        bench, token = ref(self.bench), self._token
        steps = self.steps
        self.destroyed.connect(lambda *_: _release(bench, token, steps))
        self._open = True
        self._docked = False
        self._shown = False
        self.setMinimumWidth(_WIDTH)
        self._build()

    def _build(self) -> None:
        self.scroll = QScrollArea()
        self.scroll.setWidgetResizable(True)
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        content = QWidget()
        self.column = QVBoxLayout(content)
        self.column.setContentsMargins(4, 4, 4, 4)
        self.column.setSpacing(2)
        self.scroll.setWidget(content)
        self.around = QVBoxLayout(self)
        self.around.setContentsMargins(0, 0, 0, 0)
        self.around.setSpacing(0)
        self.around.addWidget(self.scroll, 1)

    def add_foot(self, foot: Step) -> None:
        """Put a step beneath what scrolls."""
        self.steps.append(foot)
        self.around.addWidget(foot)

    def sizeHint(self) -> QSize:
        """As narrow as its widgets allow: the width is the image's."""
        return QSize(_WIDTH, super().sizeHint().height())

    def ensureWidgetVisible(self, widget: QWidget) -> None:
        """Scroll to a widget."""
        self.scroll.ensureWidgetVisible(widget)

    def verticalScrollBar(self) -> QScrollBar:
        """Bar that scrolls the steps."""
        return self.scroll.verticalScrollBar()

    def event(self, event: QEvent) -> bool:
        """Notice that napari took the dock away (it gives no other sign)."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._docked = True
            elif self._docked:
                self.let_go()
        return super().event(event)

    def showEvent(self, event: Any) -> None:
        """Note the viewer's window: when it goes, everything is put on disk."""
        if not self._shown:
            self._shown = True
            self.window().destroyed.connect(self.bench.close)
        super().showEvent(event)

    def closeEvent(self, event: Any) -> None:
        """Let go when closed as a window of its own."""
        self.let_go()
        super().closeEvent(event)

    def let_go(self) -> None:
        """Disconnect the steps and delete the widget; the last one ends the engine."""
        if not self._open:
            return
        self._open = False
        for step in self.steps:
            step.let_go()
        self.bench.release(self._token)
        self.deleteLater()


def _release(bench: ref[Workbench], token: int, steps: list[Step]) -> None:
    """Let go of everything when a widget was deleted without having been closed."""
    for step in steps:
        # The garbage collector may have emptied it before Qt deleted the widget.
        with suppress(AttributeError, RuntimeError):
            step.let_go()
    found = bench()
    if found is not None:
        found.release(token)


def button(text: str, tip: str, action: Callable[[], Any], *, name: str = "") -> QPushButton:
    """Return a push button with a tooltip."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setObjectName(name or text.lower().replace(" ", "-").rstrip("…"))
    made.clicked.connect(lambda: action())
    return made


def narrow(box: QComboBox) -> None:
    """Let a box with names of any length be narrower than the longest of them."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)


def hint(text: str = "", *, name: str = "") -> QLabel:
    """Return a line of explanation that wraps."""
    made = QLabel(text)
    made.setObjectName(name)
    made.setWordWrap(True)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return made


class Part(QCollapsible):
    """A part that folds; unfolded it takes the height that its content has at that time."""

    def _expand_collapse(self, direction: Any, animate: bool = True, emit: bool = True) -> None:
        super()._expand_collapse(direction, False, emit)
        if self.isExpanded():
            self.content().setMaximumHeight(_UNBOUNDED)


def collapsible(title: str, content: QWidget, *, expanded: bool = False) -> Part:
    """Make a part that folds, with napari-like arrows."""
    made = Part(title, expandedIcon="▾", collapsedIcon="▸")
    made.layout().setContentsMargins(0, 0, 0, 0)
    # An aligned layout is never higher than its size hint, which knows no wrapped lines.
    made.layout().setAlignment(Qt.AlignmentFlag(0))
    # Wrapped lines may need more height than the size hint says.
    made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    made.setContent(content)
    if expanded:
        made.expand()
    else:
        made.collapse()
    return made
