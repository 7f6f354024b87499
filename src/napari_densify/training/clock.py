"""How much of a training's budget is used, in seconds or in steps."""

from __future__ import annotations

import time

from napari_densify.core.control import JobControl
from napari_densify.core.events import Progress
from napari_densify.training.plan import TrainPlan

__all__ = ["Clock"]

# Kept back from the budget for writing the model.
_SAVE_S = 1.0


class Clock:
    """Clock of one training.

    Parameters
    ----------
    started
        ``time.monotonic()`` at which the budget began.
    control
        Mailbox that knows how long the training was paused.
    """

    def __init__(self, started: float, control: JobControl | None = None) -> None:
        self._started = started
        self._control = control or JobControl()
        self._first_step = 0.0
        self._budget_s: float | None = None
        self._steps: int | None = None
        self._longest_s = 0.0
        self._last = 0.0
        self._save_s = _SAVE_S

    def expect(self, plan: TrainPlan) -> None:
        """Take over the budget; from now on steps are being done."""
        self._budget_s, self._steps = plan.budget_s, plan.steps
        self._first_step = self._last = self.elapsed

    def reserve(self, seconds: float) -> None:
        """Keep so much time back for the end, besides what saving takes."""
        self._save_s = _SAVE_S + seconds

    def state(self) -> dict[str, float]:
        """Return what a resumed training needs."""
        return {"elapsed": self.elapsed, "first_step": self._first_step}

    def restore(self, state: dict[str, float]) -> None:
        """Continue from :meth:`state`: time spent before counts."""
        self._started -= state["elapsed"]
        self._first_step = state["first_step"]
        self._last = self.elapsed

    @property
    def elapsed(self) -> float:
        """Seconds since the budget began, without pauses."""
        return time.monotonic() - self._started - self._control.paused_s

    def over(self, step: int) -> bool:
        """Whether the next step would leave the budget; at least one is done."""
        now = self.elapsed
        if step > 1:  # the first one warms caches up
            self._longest_s = max(0.7 * self._longest_s, now - self._last)
        self._last = now
        if self._steps is not None:
            return step >= self._steps
        return step > 0 and now + self._longest_s > (self._budget_s or 0) - self._save_s

    def progress(self, step: int) -> float:
        """Share of the training that is done, 0 to 1."""
        if self._steps is not None:
            return step / self._steps
        available = (self._budget_s or 0) - self._save_s - self._first_step
        return min(1.0, (self.elapsed - self._first_step) / max(available, 1e-3))

    def report(self, step: int) -> Progress:
        """Progress with the time that is left."""
        done = self.progress(step)
        spent = self.elapsed - self._first_step
        left = spent * (1 - done) / done if done > 0 else None
        return Progress(done=done, total=1.0, unit="training", eta_s=left, message="training")
