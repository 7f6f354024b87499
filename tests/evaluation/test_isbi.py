"""V_rand and V_info of the ISBI challenge."""

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.evaluation import score_boundary_map


def cells(width=1):
    boundary = np.zeros((2, 33, 33), bool)
    boundary[:, :, 16 - width // 2 : 17 + width // 2] = True
    boundary[:, 16 - width // 2 : 17 + width // 2, :] = True
    return boundary


def test_thin_and_thick_borders_score_the_same():
    perfect = score_boundary_map(cells(1), cells(1))
    assert (perfect.v_rand, perfect.v_info) == (pytest.approx(1), pytest.approx(1))
    thick = score_boundary_map(cells(5), cells(1))
    assert thick.v_rand == pytest.approx(1)


def test_the_best_threshold_counts():
    probability = np.where(cells(), 0.3, 0.1)
    result = score_boundary_map(probability, cells())
    assert result.v_rand == pytest.approx(1)
    assert 0.1 < result.rand_threshold <= 0.3


def test_a_merger_costs_what_the_formula_says():
    truth = np.zeros((1, 5, 9), bool)
    truth[:, :, 4] = True
    result = score_boundary_map(np.zeros((1, 5, 9)), truth)
    assert result.v_rand == pytest.approx(0.5 / (0.5 * 1 + 0.5 * 0.5))
    assert result.v_info == pytest.approx(0)


def test_other_shapes_and_empty_truth_are_refused():
    with pytest.raises(InputError, match="shapes differ"):
        score_boundary_map(np.zeros((1, 4, 4)), np.zeros((1, 4, 5), bool))
    with pytest.raises(InputError, match="no region"):
        score_boundary_map(np.zeros((1, 4, 4)), np.ones((1, 4, 4), bool))
