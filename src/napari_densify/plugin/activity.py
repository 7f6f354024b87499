"""The job under way in napari's activity dock."""

from __future__ import annotations

from napari.utils import progress
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication, QLabel

from napari_densify.core.durations import say_duration
from napari_densify.plugin.jobs import Job
from napari_densify.plugin.session import Session

__all__ = ["Activity"]

_TICKS = 1000
_EVERY_MS = 500
# Speed of the spinner beside the bar, in percent. Each of its 20 frames a second makes Qt
# compose the whole window, canvas included: half a core where no GPU draws, taken from the
# training that it announces.
_SPIN = 5


class Activity(QObject):
    """Mirrors a session's job as one napari progress bar with its ETA.

    napari's bars process Qt events when they are changed. So they are only touched
    from a timer, never while an event of the engine is being handed on.
    """

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._bar: progress | None = None
        self._job = ""
        self._drawing = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self._sync)
        session.job_changed.connect(self._later)

    def _later(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _sync(self) -> None:
        if self._drawing:
            self._later()
            return
        self._drawing = True
        try:
            self._draw(self._session.job)
        finally:
            self._drawing = False

    def _draw(self, job: Job | None) -> None:
        if self._bar is not None and (job is None or job.id != self._job):
            self._bar.close()
            self._bar = None
        if job is None:
            return
        if self._bar is None:
            self._bar, self._job = progress(total=_TICKS, desc=f"Densify: {job.title}"), job.id
            _calm_spinners()
        done = round((job.fraction or 0.0) * _TICKS)
        if done > self._bar.n:
            self._bar.update(done - self._bar.n)
        left = "" if job.eta_s is None else f" ({say_duration(job.eta_s)} left)"
        self._bar.set_description(f"Densify: {job.title}{left}")

    def close(self) -> None:
        """Take the bar away and listen no more."""
        self._session.job_changed.disconnect(self._later, missing_ok=True)
        self._timer.stop()
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _calm_spinners() -> None:
    """Slow animated pictures of all windows down."""
    for window in QApplication.topLevelWidgets():
        for label in window.findChildren(QLabel):
            if label.movie() is not None:
                label.movie().setSpeed(_SPIN)
