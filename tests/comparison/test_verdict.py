"""The verdict says so when a classical method is enough."""

import pytest

from napari_densify.comparison.entries import Entry
from napari_densify.comparison.verdict import say_verdict
from napari_densify.evaluation import Scores


def entry(title, family, dice, interval=None):
    scores = Scores(
        classes=(), mean_dice=dice, mean_iou=None, mean_dice_interval=interval, accuracy=None,
        voxels=1, slices=(),
    )  # fmt: skip
    return Entry(name=title, title=title, family=family, scores=scores)


@pytest.mark.parametrize(
    ("network", "interval", "classical", "expected"),
    [
        (0.9, (0.85, 0.95), 0.7, "Net beats the best classical method, Otsu"),
        (0.9, (0.85, 0.95), 0.87, "cannot tell them apart"),
        (0.8, (0.75, 0.85), 0.9, "A classical method is enough here: Otsu"),
    ],
)
def test_network_against_classical(network, interval, classical, expected):
    rows = [entry("Net", "network", network, interval), entry("Otsu", "threshold", classical)]
    rows.sort(key=lambda e: -e.scores.mean_dice)
    assert expected in say_verdict(rows)


def test_interpolation_on_top_is_a_warning():
    rows = [entry("Interpolation", "floor", 0.9), entry("Otsu", "threshold", 0.5)]
    assert "more paint is needed" in say_verdict(rows)


def test_nothing_scored_says_nothing():
    assert say_verdict([]) == ""
