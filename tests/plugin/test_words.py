from __future__ import annotations

import math

import pytest

from napari_densify.core.events import HeldOutScore, TrainingCost
from napari_densify.core.labels import ClassTable
from napari_densify.core.settings import TrainSettings
from napari_densify.plugin.advice import advise, doubt_coverage, say_coverage, say_suggestion
from napari_densify.plugin.leave_out import LeaveOut
from napari_densify.plugin.rounds import LearningPoint, describe_trend
from napari_densify.plugin.words import say_estimate, say_score

CLASSES = ClassTable.default()


def score(**changes):
    given = {"step": 1, "elapsed_s": 1.0, "dice": {1: 0.9, 2: 0.7}, "mean_dice": 0.8}
    return HeldOutScore(**{**given, "voxels": 5000, "slices": (3,), **changes})


def test_a_score_says_how_sure_it_is():
    sure = say_score(score(interval=(0.7, 0.9), slices=(1, 2, 3)), CLASSES)
    assert "Held-out Dice 0.80 (0.70 to 0.90" in sure
    assert "background 0.90, foreground 0.70" in sure
    assert "too few to say how sure" in say_score(score(), CLASSES)


@pytest.mark.parametrize("changes", [{"mean_dice": math.nan}, {"voxels": 20}])
def test_too_little_paint_gives_no_number(changes):
    text = say_score(score(**changes), CLASSES)
    assert "too little held-out paint to tell" in text
    assert "0.8" not in text


def test_an_estimate_before_the_start():
    cost = TrainingCost(
        device="cpu", host_bytes=700_000_000, free_host_bytes=2_000_000_000, step_seconds=0.5,
        resolution="every voxel",
    )  # fmt: skip
    estimate = {"predict_s": 1234.0, "device": "cpu", "train": cost.model_dump(mode="json")}
    found = {"estimate": estimate, "memory": {"predict_bytes": 1_234_000_000}}
    assert say_estimate(found, TrainSettings(budget_s=90)) == (
        "Trains for 1 min 30 s on cpu with about 700 MB of memory. The whole volume is then "
        "predicted in about 21 min with 1.23 GB. Working resolution: every voxel."
    )
    assert say_estimate(found, TrainSettings(steps=100)).startswith(
        "Trains 100 steps in about 50 s on cpu"
    )
    estimate["train"]["free_host_bytes"] = 1_000_000
    assert say_estimate(found, TrainSettings(steps=100)).startswith("⚠ Memory is short.")


def test_an_engine_that_tells_less_or_nothing():
    assert say_estimate({}, TrainSettings(budget_s=60)) == ""
    older = {"estimate": {"predict_s": 3, "train": {"no": "such entry"}}}
    assert say_estimate(older, TrainSettings(budget_s=60)) == (
        "Trains for 1 min. The whole volume is then predicted in about 3 s."
    )


def test_slices_are_left_out_one_after_the_other():
    state = LeaveOut((2, 5, 9))
    assert state.describe() == ""
    for z, dice in ((2, 0.8), (5, 0.6)):
        assert state.next == z
        state.hear(score(mean_dice=0.1))
        assert state.hear(score(mean_dice=dice))
        state.finish()
    assert "(2 of 3 slices): mean Dice 0.70, 0.60 to 0.80. Worst on slice 5." in state.describe()
    state.finish()  # no score came: too little paint there
    assert state.next is None
    assert math.isnan(state.dice[9])
    assert "mean Dice 0.70" in state.describe()


def points(*pairs):
    return [LearningPoint(str(n), slices, dice) for n, (slices, dice) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (points((3, 0.6)), ""),
        (points((3, 0.6), (3, 0.7)), ""),
        (points((3, 0.6), (3, 0.7), (5, 0.75)), "0.70 to 0.75. More paint would probably help."),
        (points((3, 0.7), (5, 0.703)), "hardly help."),
        (points((3, 0.7), (5, 0.5)), "longer."),
    ],
)
def test_would_more_paint_help(found, words):
    assert describe_trend(found).endswith(words) if words else not describe_trend(found)
    assert words in describe_trend(found)


SUGGESTED = (
    {"axis": "XZ", "index": 7, "why": "most unsure about foreground (60%)"},
    {"axis": "XY", "index": 3, "why": "far from paint"},
)


def test_suggestions_in_words():
    assert "XZ slice 7 is suggested: most unsure" in say_suggestion(SUGGESTED, ("XZ", 7))
    assert say_suggestion(SUGGESTED, ("XY", 7)).startswith("Suggested: XZ 7, XY 3")
    assert say_suggestion((), ("XY", 7)) == ""


def test_coverage_in_words():
    text = say_coverage({3: {1: 10}, 5: {2: 10}}, (10, 10, 10), {5})
    assert text == "2 of 10 slices painted, 2.00% of all voxels, 1 held out"


TABLE = ClassTable.from_values(
    [1, 2, 3], names={1: "background", 2: "membrane", 3: "vesicle"}, background=1
)


@pytest.mark.parametrize(
    ("slices", "held_out", "said"),
    [
        ({}, (), "Nothing is painted yet"),
        ({0: {2: 9}}, (), "Only membrane is painted. Paint the background too"),
        ({0: {2: 9, 3: 9}}, (), "No background is painted"),
        ({0: {1: 9, 2: 9}}, (), "Not painted yet, so not learned: vesicle."),
        ({0: {1: 9, 2: 9}, 1: {3: 9}}, {1}, "Painted on held-out slices only, so not learned: v"),
        ({0: {1: 9, 2: 9, 3: 9}}, {1}, ""),
    ],
)
def test_what_is_to_be_painted_first(slices, held_out, said):
    text = advise(slices, TABLE, held_out)
    assert text.startswith(said)
    assert bool(text) == bool(said)


@pytest.mark.parametrize(
    ("slices", "held_out", "said"),
    [
        ({}, (), ""),
        ({0: {1: 1000, 2: 10, 3: 11}}, (), ""),
        ({0: {1: 1000, 2: 9}}, (), "Rare, so paint more of it: membrane."),
        ({0: {1: 9, 2: 9}, 1: {1: 9}}, {1}, "On no held-out slice, so not scored: membrane."),
        ({0: {1: 9, 2: 9}}, {1}, ""),  # nothing is scored at all
        ({0: {1: 900, 7: 1}}, (), "Rare, so paint more of it: class 7."),
    ],
)
def test_classes_with_too_little_paint_are_named(slices, held_out, said):
    assert doubt_coverage(slices, TABLE, held_out) == said
