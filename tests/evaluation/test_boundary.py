"""Boundary F1: tolerance in nm, anisotropic pixels."""

import numpy as np
import pytest

from napari_densify.evaluation import score_labels
from napari_densify.evaluation.boundary import BoundaryCount, count_boundary


def disc(shift):
    y, x = np.mgrid[:40, :40]
    return (y - 20) ** 2 + (x - 20 - shift) ** 2 < 100


def f1(shift, tolerance, spacing=(1.0, 1.0)):
    count = BoundaryCount()
    scored = np.ones((40, 40), bool)
    count.add(
        *count_boundary(disc(shift), disc(0), scored=scored, tolerance=tolerance, spacing=spacing)
    )
    return count.f1


def test_shift_within_tolerance_is_agreement():
    assert f1(0, 0) == 1.0
    assert f1(3, 3) == 1.0
    assert f1(3, 1) < 0.8


def test_tolerance_is_a_length_not_voxels():
    assert f1(3, 3, spacing=(10.0, 10.0)) == f1(3, 0.3) < f1(3, 30, spacing=(10.0, 10.0)) == 1.0


def test_border_against_unscored_voxels_is_no_outline():
    truth = np.zeros((1, 12, 12), np.uint8)
    truth[0, 4:8, 4:8] = 1
    truth[0, 4:8, 8:10] = 2
    scores = score_labels(np.where(truth == 0, 2, truth).astype(np.uint8), truth)
    assert scores.boundary_f1 == 1.0


def test_no_outline_has_no_f1():
    assert np.isnan(BoundaryCount().f1)
    one = np.ones((5, 5), bool)
    hits, totals = count_boundary(one, one, scored=one, tolerance=1, spacing=(1, 1))
    assert (hits, totals) == ((0, 0), (0, 0))


def test_missed_outline_scores_zero():
    count = BoundaryCount()
    scored = np.ones((40, 40), bool)
    nothing = np.zeros((40, 40), bool)
    count.add(*count_boundary(nothing, disc(0), scored=scored, tolerance=2, spacing=(1, 1)))
    assert count.f1 == pytest.approx(0)
