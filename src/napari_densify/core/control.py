"""How a running job hears from outside, between two of its yields."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_densify.core.blocks import Region

__all__ = ["JobControl"]


@dataclass
class JobControl:
    """Mailbox of a job; the engine fills it while the job is suspended at a yield.

    Pausing needs no field: a paused job is simply not resumed.

    Attributes
    ----------
    stop
        Finish now and keep what was done (a stopped training saves its model).
    changed
        Regions of the annotations that were painted since the job last looked.
    view
        Region on screen, to be predicted first; None if nobody is looking.
    view_generation
        Number of ``view``; answers carry it, so that stale ones are dropped.
    """

    stop: bool = False
    changed: list[Region] = field(default_factory=list)
    view: Region | None = None
    view_generation: int = 0

    def take_changed(self) -> list[Region]:
        """Return the regions painted since the last call, and forget them."""
        changed, self.changed = self.changed, []
        return changed
