"""The job under way in napari's activity dock."""

from __future__ import annotations

from napari.utils import progress

from napari_densify.plugin.jobs import Job, say_duration
from napari_densify.plugin.session import Session

__all__ = ["Activity"]

_TICKS = 1000


class Activity:
    """Mirrors a session's job as one napari progress bar with its ETA."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._bar: progress | None = None
        self._job = ""
        session.job_changed.connect(self._sync)

    def close(self) -> None:
        """Take the bar away and listen no more."""
        self._session.job_changed.disconnect(self._sync)
        self._end()

    def _sync(self) -> None:
        job = self._session.job
        if job is None or job.id != self._job:
            self._end()
        if job is not None:
            self._show(job)

    def _show(self, job: Job) -> None:
        if self._bar is None:
            self._bar = progress(total=_TICKS, desc=job.title)
            self._job = job.id
        done = round((job.fraction or 0.0) * _TICKS)
        if done > self._bar.n:
            self._bar.update(done - self._bar.n)
        left = "" if job.eta_s is None else f" ({say_duration(job.eta_s)} left)"
        self._bar.set_description(f"Densify: {job.title}{left}")

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
            self._job = ""
