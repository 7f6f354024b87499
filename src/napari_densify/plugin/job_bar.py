"""A job's button with stop, progress and status beneath: shown while it runs."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_densify.plugin.step import button, hint
from napari_densify.plugin.workbench import Workbench

__all__ = ["JobBar"]


class JobBar(QWidget):
    """Start button of one kind of job, and how far it is.

    Parameters
    ----------
    bench
        Session and engine.
    kind
        Kind of the job, see `core.requests`.
    start, stop
        Buttons; `stop` ends the job.
    working
        Text of the start button while the job runs.
    """

    def __init__(self, bench: Workbench, kind: str, start: QPushButton, *, working: str) -> None:
        super().__init__()
        self.session, self.kind = bench.session, kind
        self.start, self._texts = start, (start.text(), working)
        self.stop = button("Stop", "Stop; what is done is kept", bench.stop)
        self.start.setMinimumHeight(34)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.status = hint("", name=f"{kind}-status")
        row = QHBoxLayout()
        row.addWidget(self.start, 3)
        row.addWidget(self.stop, 1)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.addLayout(row)
        body.addWidget(self.progress)
        body.addWidget(self.status)

    def sync(self, *_: Any) -> None:
        """Show the job under way, if it is of this kind."""
        job = self.session.job
        working = job is not None and job.kind == self.kind
        self.start.setEnabled(job is None)
        self.start.setText(self._texts[working])
        for widget in (self.stop, self.progress, self.status):
            widget.setVisible(working)
        if job is not None and working:
            self.stop.setEnabled(not job.stopping)
            self.progress.setValue(round(1000 * (job.fraction or 0)))
            self.status.setText(job.status)
