"""Leave-one-slice-out: which painted slice is scored next, and what came of those before."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from napari_densify.core.events import Event, HeldOutScore
from napari_densify.plugin.words import say_left_out

__all__ = ["LeaveOut"]


@dataclass
class LeaveOut:
    """As many trainings as there are painted slices, each scored on the slice it lacks.

    Attributes
    ----------
    slices
        Painted slices, ascending.
    dice
        Mean Dice of each slice that is done; NaN where it could not be scored.
    """

    slices: tuple[int, ...] = ()
    dice: dict[int, float] = field(default_factory=dict)
    latest: float = math.nan

    @property
    def next(self) -> int | None:
        """Slice to leave out now; None if all are done."""
        return next((z for z in self.slices if z not in self.dice), None)

    def hear(self, event: Event) -> bool:
        """Take up a score of the training under way; return whether it was one."""
        if isinstance(event, HeldOutScore):
            self.latest = event.mean_dice
            return True
        return False

    def finish(self) -> None:
        """Take note that the training without the next slice has ended."""
        if self.next is not None:
            self.dice[self.next] = self.latest
        self.latest = math.nan

    def describe(self) -> str:
        """Mean and spread of the scores so far; empty if there are none."""
        return say_left_out(self.dice, self.slices)
