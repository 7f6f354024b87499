"""Overlap tables gathered in pieces give scikit-image's numbers."""

import numpy as np
import pytest
from skimage.metrics import adapted_rand_error, variation_of_information

from napari_densify.evaluation.contingency import Contingency, slice_segments


@pytest.fixture
def labellings():
    rng = np.random.default_rng(3)
    return rng.integers(0, 9, (70, 6, 6)), rng.integers(0, 7, (70, 6, 6))


def gathered(truth, prediction):
    overlap = Contingency()
    for t, p in zip(truth, prediction, strict=True):
        overlap.add(t, p)
    return overlap


def test_rand_equals_scikit_image(labellings):
    truth, prediction = labellings
    expected = adapted_rand_error(truth, prediction)
    assert gathered(truth, prediction).rand(ignore_truth=0) == pytest.approx(expected)


def test_information_equals_scikit_image(labellings):
    truth, prediction = labellings
    expected = variation_of_information(truth, prediction)
    assert gathered(truth, prediction).information() == pytest.approx(tuple(expected))


def test_splits_and_mergers_are_told_apart():
    truth = np.array([[1, 1, 1, 1, 2, 2, 2, 2]])
    split = gathered(truth, np.array([[1, 1, 3, 3, 2, 2, 2, 2]]))
    merged = gathered(truth, np.ones_like(truth))
    assert split.information() == pytest.approx((0.5, 0.0))
    assert merged.information() == pytest.approx((0.0, 1.0))


def test_empty_table_has_no_score():
    assert all(np.isnan(v) for v in (*Contingency().rand(), *Contingency().information()))


def test_segments_are_regions_of_one_class():
    labels = np.array([[1, 1, 2, 1], [2, 2, 2, 1]])
    scored = np.ones((2, 4), bool)
    scored[1, 0] = False
    ids = slice_segments(labels, scored, first=5)
    assert ids.tolist() == [[5, 5, 6, 7], [0, 6, 6, 7]]
