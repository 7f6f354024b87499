from __future__ import annotations

import time

from napari_densify.core.control import JobControl
from napari_densify.core.settings import TrainSettings
from napari_densify.training.clock import Clock
from napari_densify.training.facts import Facts
from napari_densify.training.plan import resolve_plan


def test_a_pause_takes_nothing_from_the_budget() -> None:
    control = JobControl()
    clock = Clock(time.monotonic(), control)
    clock.expect(resolve_plan(TrainSettings(budget_s=120), Facts(shape=(9, 64, 64))))
    clock.over(1)
    control.paused_s += 1000.0
    clock._started -= 1000.0  # so much later, all of it paused
    assert clock.elapsed < 1
    assert not clock.over(2)
    assert clock.progress(2) < 0.1
