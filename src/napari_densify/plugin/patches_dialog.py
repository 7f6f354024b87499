"""Patches as a training would see them, drawn by the engine, in a window of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QDialog, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_densify.core.events import Done, Failed
from napari_densify.plugin.asking import PATCHES
from napari_densify.plugin.jobs import Job
from napari_densify.plugin.step import button

if TYPE_CHECKING:
    from napari_densify.plugin.workbench import Workbench

__all__ = ["PatchesDialog"]

_LARGEST = (1100, 850)  # pixels; a larger picture scrolls


class PatchesDialog(QDialog):
    """Shows augmented patches, and draws others; painting goes on meanwhile.

    Parameters
    ----------
    bench
        Asks the engine.
    parent
        Widget over which it opens.
    """

    def __init__(self, bench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bench = bench
        self.setObjectName("patches")
        self.setWindowTitle("Augmented patches")
        self.picture = QLabel()
        self.scroll = QScrollArea()
        self.scroll.setWidget(self.picture)
        self.scroll.setWidgetResizable(True)
        self.again = button(
            "Draw others",
            "Other patches, changed at random again; settings that you changed meanwhile count",
            self.draw,
        )
        body = QVBoxLayout(self)
        body.addWidget(self.scroll)
        body.addWidget(self.again)
        self._drawn = 0
        self._asked = ""

    def draw(self) -> None:
        """Ask for a picture; the window opens when it is there."""
        seed = self.bench.session.train_settings.seed + self._drawn
        if self.bench.attempt(self.bench.draw_patches, seed):
            job = self.bench.session.job
            self._drawn, self._asked = self._drawn + 1, job.id if job else ""

    def set_idle(self, idle: bool) -> None:
        """Take note whether the engine could draw now."""
        self.again.setEnabled(idle)

    def job_ended(self, job: Job, event: Done | Failed) -> None:
        """Show the picture, if it was made for this window: there may be one a step Train."""
        shown = job.id == self._asked and self.bench.session.owns(job)
        if not shown or not isinstance(event, Done):
            return
        path = Path(job.project) / PATCHES
        self.picture.setPixmap(QPixmap(str(path)))
        path.unlink(missing_ok=True)
        size = self.picture.pixmap().size()
        room = self.again.sizeHint().height() + 60
        width, height = _LARGEST
        self.resize(min(size.width() + 50, width), min(size.height() + room, height))
        self.show()
        self.raise_()
