"""Confusion counts: gathered in pieces, equal to the whole."""

import numpy as np

from napari_densify.evaluation import Confusion


def test_pieces_add_up_to_the_whole():
    rng = np.random.default_rng(1)
    truth, prediction = rng.integers(0, 4, (2, 3, 10, 10))
    whole, parts = Confusion([1, 3]), Confusion([1, 3])
    for z in range(3):
        whole.add(z, prediction[z], truth[z])
        parts.add(z, prediction[z, :4], truth[z, :4])
        parts.add(z, prediction[z, 4:], truth[z, 4:])
    np.testing.assert_array_equal(whole.total, parts.total)
    assert whole.total.sum() == np.isin(truth, [1, 3]).sum()
    assert whole.total[0, 1] == ((truth == 1) & (prediction == 3)).sum()
    assert whole.total[0, 2] == ((truth == 1) & ~np.isin(prediction, [1, 3])).sum()


def test_a_class_that_is_nowhere_has_no_rate():
    confusion = Confusion([1, 2])
    confusion.add(0, np.array([1]), np.array([1]))
    assert np.isnan(confusion.rates.dice[1])
    assert confusion.rates.mean_dice == 1.0


def test_nothing_scored_means_nan():
    assert np.isnan(Confusion([1, 2]).rates.mean_iou)
