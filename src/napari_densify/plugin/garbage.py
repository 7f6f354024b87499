"""Python's garbage is collected on the thread of the viewer, and nowhere else.

The collector runs on whichever thread happens to allocate. On the thread that writes strokes it
would destroy Qt objects and OpenGL buffers of removed layers there, while the viewer draws with
them: wrong pictures, at times a crash (https://github.com/napari/napari/issues/1029).
"""

from __future__ import annotations

import gc
import sys
from typing import ClassVar

from qtpy.QtCore import QObject, QTimer

__all__ = ["GuiThreadCollector"]

INTERVAL_MS = 1000


class GuiThreadCollector(QObject):
    """As long as one of these is held, automatic collection is off and a timer collects instead.

    Parameters
    ----------
    parent
        Qt parent; lives on the thread of the viewer.
    """

    _held: ClassVar[set[GuiThreadCollector]] = set()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._after_full = sys.getallocatedblocks()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self.collect_due)
        if not self._held and not gc.isenabled():
            return  # somebody else, the user or another plugin, looks after it
        self._held.add(self)
        gc.disable()
        self._timer.start()

    def release(self) -> None:
        """Stop; with the last one, Python collects by itself again."""
        self._timer.stop()
        if self in self._held:
            self._held.remove(self)
            if not self._held:
                gc.enable()

    def collect_due(self) -> None:
        """Collect the oldest generation whose turn it is, by the interpreter's own thresholds."""
        counts, thresholds = gc.get_count(), gc.get_threshold()
        for generation in (2, 1, 0):
            due = 0 < thresholds[generation] < counts[generation]
            if due and (generation < 2 or self._has_grown()):
                gc.collect(generation)
                if generation == 2:
                    self._after_full = sys.getallocatedblocks()
                break

    def _has_grown(self) -> bool:
        """Tell whether a quarter was added since the last full collection, as Python asks.

        A full one takes tenths of a second in a viewer with all its libraries.
        """
        return 4 * sys.getallocatedblocks() > 5 * self._after_full
