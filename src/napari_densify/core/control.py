"""How a running job hears from outside, between two of its yields."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from napari_densify.core.blocks import Region

__all__ = ["JobControl"]


@dataclass
class JobControl:
    """Mailbox of a job; the engine fills it while the job is suspended at a yield.

    A paused job is simply not resumed; only how long it was is told.

    Attributes
    ----------
    stop
        The user's wish: finish now and keep what was done (a stopped training saves its model).
    enough
        The training under way gains no more: it ends as if its budget were used up.
    changed
        Regions of the annotations that were painted since the job last looked.
    view
        Region on screen, to be predicted first; None if nobody is looking.
    view_generation
        Number of ``view``; answers carry it, so that stale ones are dropped.
    beside
        Other planes through what is on screen: predicted once it is.
    paused_s
        Seconds that the job has been paused: they take nothing from a time budget.
    started_monotonic
        ``time.monotonic()`` at which the user's wait began: a budget counts from
        here. On the command line that is the start of the process, so that the
        interpreter's start-up and the imports count too.
    """

    stop: bool = False
    enough: bool = False
    changed: list[Region] = field(default_factory=list)
    view: Region | None = None
    view_generation: int = 0
    beside: tuple[Region, ...] = ()
    paused_s: float = 0.0
    started_monotonic: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        """Whether a training is to make no further step."""
        return self.stop or self.enough

    def take_changed(self) -> list[Region]:
        """Return the regions painted since the last call, and forget them."""
        changed, self.changed = self.changed, []
        return changed

    def elapsed(self) -> float:
        """Seconds that the user has been waiting for this job."""
        return time.monotonic() - self.started_monotonic
