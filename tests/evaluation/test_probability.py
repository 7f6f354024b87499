"""Binary cross-entropy against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from napari_densify.evaluation import CrossEntropy


def test_each_class_against_the_rest_on_scored_voxels_only() -> None:
    random = np.random.default_rng(0)
    p = random.dirichlet([1, 1, 1], (4, 6)).transpose(2, 0, 1)  # (K, Y, X)
    truth = random.choice([0, 2, 5, 7], (4, 6))
    p[:, truth == 0] = np.nan  # not scored: whatever stands there
    entropy = CrossEntropy([2, 5, 7])
    for row in range(4):
        entropy.add(p[:, row], truth[row])
    scored = truth > 0
    for k, value in enumerate((2, 5, 7)):
        expected = log_loss(truth[scored] == value, p[k][scored])
        assert entropy.by_class[value] == pytest.approx(expected)


def test_nothing_scored_has_no_mean_and_certainty_stays_finite() -> None:
    entropy = CrossEntropy([1, 2])
    entropy.add(np.ones((2, 3)), np.zeros(3, int))
    assert entropy.by_class == {}
    entropy.add(np.array([[1.0], [0.0]]), np.array([2]))
    assert all(np.isfinite(v) and v > 10 for v in entropy.by_class.values())
