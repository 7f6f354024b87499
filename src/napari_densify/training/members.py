"""How a training's time is shared by the networks that will answer together.

A network learns what a few painted slices show in a few hundred steps; time beyond that
is better spent on another one from a new start. Each gets the whole schedule of the
learning rate, one after the other. More paint takes longer to be learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from napari_densify.training.plan import TrainPlan

__all__ = ["Members", "enough_steps", "plan_members"]

# Measured on ssTEM, two of nine slices painted, mean IoU: 0.60 after 150 steps, 0.63 after
# 300, 0.64 after 800; two of 300 steps each 0.65.
_STEPS_EACH = 300
_MOST = 3
# How often each painted cell is seen meanwhile; ssTEM at 300 steps.
_TIMES = 150
# Steps after which the speed of this machine is known well enough.
_TRIED = 20


def enough_steps(painted: float, step: float) -> float:
    """Count the steps after which a network has learned what is painted.

    Parameters
    ----------
    painted
        Painted cells of the working grid.
    step
        Cells that a step shows.
    """
    return max(_STEPS_EACH, _TIMES * painted / step)


def plan_members(plan: TrainPlan, painted: int, *, live: bool) -> Members:
    """Share the time of a training between networks.

    Parameters
    ----------
    plan
        What the user wishes, patches, and steps if they are counted.
    painted
        Painted voxels.
    live
        Whether somebody paints meanwhile: new strokes are for the network on screen.
    """
    enough = enough_steps(painted / prod(plan.working_factor), plan.batch * prod(plan.patch))
    return Members.planned(enough, 1 if live else plan.members, plan.steps)


@dataclass
class Members:
    """Who is trained at which time.

    Attributes
    ----------
    enough
        Steps that each network needs.
    count
        Networks to train; 1 until the number is decided.
    decided
        Whether ``count`` is final.
    """

    enough: float
    count: int = 1
    decided: bool = False

    @classmethod
    def planned(cls, enough: float, wished: int | None, steps: int | None) -> Members:
        """Decide now, where a number is wished or follows from the steps; else later."""
        if wished is not None:
            return cls(enough, wished, decided=True)
        members = cls(enough)
        if steps is not None:
            members._decide(steps)
        return members

    def observe(self, step: int, progress: float) -> None:
        """Decide by the speed of the first steps; ``progress`` is that of all the time."""
        if self.decided or step < _TRIED or progress <= 0:
            return
        self._decide(step / progress)

    def _decide(self, steps: float) -> None:
        self.count = int(min(max(steps // self.enough, 1), _MOST))
        self.decided = True

    def place(self, progress: float) -> tuple[int, float]:
        """Member that is trained at ``progress`` of all the time, and its own progress."""
        scaled = min(max(progress, 0.0), 1.0) * self.count
        index = min(int(scaled), self.count - 1)
        return index, scaled - index
