from __future__ import annotations

import numpy as np

from napari_densify.evaluation.confusion import Rates
from napari_densify.evaluation.held_out import dice_interval, reweigh


def counts(*rows: tuple[int, ...]) -> np.ndarray:
    return np.array([[*row, 0] for row in rows], np.int64)


def test_paint_that_is_spread_as_the_classes_are_keeps_its_scores() -> None:
    whole = counts((8000, 500), (300, 1200))
    same = reweigh(whole, whole[:, :-1].sum(0))
    np.testing.assert_allclose(same, whole, atol=2)


def test_a_rare_class_painted_too_much_gets_the_precision_that_it_has() -> None:
    # In the slices: 95,000 and 5,000 voxels; 10 % of the first are taken for the second.
    true = counts((85_500, 9_500), (500, 4_500))
    painted = counts((900, 100), (100, 900))  # as much of either
    found = reweigh(painted, true[:, :-1].sum(0))
    honest, naive = (Rates(c).mean_dice for c in (true, painted))
    assert abs(Rates(found).mean_dice - honest) < 0.02
    assert naive - honest > 0.1


def test_estimated_frequencies_are_believed_where_little_is_painted() -> None:
    # Half of the first class is taken for the second in the slices, none of it on the strokes.
    painted, found = counts((100, 0), (5, 95)), np.array([50_000, 50_000])
    told = np.array([0.9, 0.1])
    plain, weighed = (reweigh(painted, found, f).sum(1) / 100_000 for f in (None, told))
    assert abs(plain[0] - 0.5) < 0.05
    assert weighed[0] > 0.65


def test_paint_that_shows_a_class_too_often_is_not_believed_where_part_is_painted() -> None:
    # Nothing is taken for anything else; 4 of 10 voxels are painted, half of them rare.
    painted, found = counts((20_000, 0), (0, 20_000)), np.array([90_000, 10_000])
    share = reweigh(painted, found, np.array([0.9, 0.1])).sum(1) / 100_000
    assert abs(share[0] - 0.9) < 0.06


def test_of_slices_painted_throughout_estimated_frequencies_change_nothing() -> None:
    whole = counts((8000, 500), (300, 1200))
    same = reweigh(whole, whole[:, :-1].sum(0), np.array([0.1, 0.9]))
    np.testing.assert_allclose(same, whole, atol=2)


def test_classes_that_are_not_told_apart_give_no_wild_answer() -> None:
    found = reweigh(counts((50, 50), (50, 50)), np.array([1000, 1000]))
    assert (found >= 0).all()
    assert abs(found.sum() - 2000) <= 4


def tiles(random: np.random.Generator, hit: float, number: int) -> list[np.ndarray]:
    rows = []
    for _ in range(number):
        good = random.binomial(100, np.clip(random.normal(hit, 0.05), 0, 1), 2)
        rows.append(counts((good[0], 100 - good[0]), (100 - good[1], good[1])))
    return rows


def test_the_interval_holds_the_mean_of_all_slices_in_nine_of_ten_cases() -> None:
    random = np.random.default_rng(0)
    for held in (1, 2, 5):
        inside = 0
        for _ in range(200):
            shown = [tiles(random, random.normal(0.8, 0.05), 12) for _ in range(held)]
            dice = Rates(np.sum([t for row in shown for t in row], 0)).mean_dice
            low, high = dice_interval(shown, dice)
            inside += low <= 0.8 <= high
        assert 0.8 <= inside / 200 <= 1.0, held


def test_more_slices_make_it_narrower_and_too_little_paint_makes_none() -> None:
    random = np.random.default_rng(1)
    many = [tiles(random, 0.8, 12) for _ in range(8)]
    few = many[:2]
    (a, b), (c, d) = dice_interval(many, 0.8), dice_interval(few, 0.8)
    assert b - a < d - c
    assert dice_interval([tiles(random, 0.8, 2)], 0.8) is None
    assert dice_interval([], float("nan")) is None
