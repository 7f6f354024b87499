from __future__ import annotations

import numpy as np
import pytest

from napari_densify.evaluation.confusion import Rates
from napari_densify.evaluation.expectation import (
    Expectation,
    blend,
    expected_counts,
    fit_temperature,
)


def calibrated(number: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of two classes and truth drawn from them; then made surer than they are."""
    random = np.random.default_rng(seed)
    log_odds = random.normal(0, 2, number)
    truth = (random.random(number) < 1 / (1 + np.exp(-log_odds))).astype(int)
    second = 1 / (1 + np.exp(-sharpness * log_odds))
    return np.stack([1 - second, second]), truth


def found(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    counts = np.zeros((2, 3), np.int64)
    np.add.at(counts, (truth, probabilities.argmax(0)), 1)
    return counts


def test_calibrated_probabilities_expect_the_dice_that_is_found() -> None:
    probabilities, truth = calibrated(50_000, 1.0)
    expected = Rates(expected_counts(probabilities)).mean_dice
    assert expected == pytest.approx(Rates(found(probabilities, truth)).mean_dice, abs=0.01)


def test_too_sure_a_network_is_cooled_by_its_paint() -> None:
    probabilities, truth = calibrated(50_000, 2.5)
    sure = Rates(expected_counts(probabilities)).mean_dice
    temperature = fit_temperature(probabilities[:, :2000], truth[:2000])
    cooled = Rates(expected_counts(probabilities, temperature)).mean_dice
    true = Rates(found(probabilities, truth)).mean_dice
    assert temperature == pytest.approx(2.5, rel=0.2)
    assert abs(cooled - true) < 0.02 < sure - true


def test_it_comes_nearer_to_the_truth_than_paint_on_easy_places() -> None:
    probabilities, truth = calibrated(50_000, 1.0)
    true = Rates(found(probabilities, truth)).mean_dice
    easy = np.flatnonzero(np.abs(probabilities[1] - 0.5) > 0.3)[:400]  # as people paint
    indices = np.full(truth.size, -1)
    indices[easy] = truth[easy]
    paint = found(probabilities[:, easy], truth[easy])
    gathered = Expectation(2)
    gathered.add(probabilities, indices)
    mixed = Rates(gathered.blended(paint, easy.size)).mean_dice
    assert abs(mixed - true) < 0.6 * abs(Rates(paint).mean_dice - true)


def test_paint_alone_counts_where_all_is_painted() -> None:
    counts = np.array([[70, 30, 0], [10, 90, 0]], np.int64)
    expected = np.array([[99.0, 1, 0], [1, 99, 0]])
    np.testing.assert_array_equal(blend(counts, expected, 1.0), counts)


def test_a_class_without_paint_is_not_made_up() -> None:
    counts = np.array([[70, 30, 0], [0, 0, 0]], np.int64)
    mixed = blend(counts, np.array([[50.0, 50, 0], [5, 95, 0]]), 0.01)
    assert mixed[1].sum() == 0
    assert mixed.sum() == pytest.approx(counts.sum(), abs=2)
