"""Intervals: deterministic, absent where slices are too few."""

import numpy as np

from napari_densify.evaluation.bootstrap import bootstrap_rates
from napari_densify.evaluation.confusion import Rates


def matrices(n):
    rng = np.random.default_rng(n)
    return [np.diag([50, 50, 0])[:2] + rng.integers(0, 30, (2, 3)) for _ in range(n)]


def test_interval_surrounds_the_pooled_rate_and_repeats():
    slices = matrices(8)
    interval = bootstrap_rates(slices)
    low, high = interval.mean_dice
    assert low < Rates(sum(slices)).mean_dice < high
    assert interval.mean_dice == bootstrap_rates(slices).mean_dice


def test_more_slices_narrow_it():
    few, many = bootstrap_rates(matrices(4)).mean_dice, bootstrap_rates(matrices(64)).mean_dice
    assert many[1] - many[0] < few[1] - few[0]


def test_two_slices_have_none():
    assert bootstrap_rates(matrices(2)).mean_dice is None
    assert bootstrap_rates([]).mean_iou is None
