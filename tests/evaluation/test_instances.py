"""Objects: F1, panoptic quality, Rand, without the voxels that don't count."""

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.evaluation import score_instances


def boxes(*spans, length=40):
    ids = np.zeros((2, 4, length), np.uint16)
    for i, (start, stop) in enumerate(spans, 1):
        ids[..., start:stop] = i
    return ids


def test_identical_objects_with_other_ids_are_perfect():
    truth = boxes((0, 10), (12, 20))
    scores = score_instances(np.where(truth > 0, 50 - truth, 0), truth)
    assert (scores.f1_50, scores.f1_75, scores.panoptic_quality) == (1, 1, 1)
    assert scores.rand_error == pytest.approx(0)
    assert (scores.objects, scores.predicted) == (2, 2)


def test_counts_are_by_hand():
    # IoU 10/10, 6/10 (matched at 0.5 only), and one object that is nowhere.
    truth = boxes((0, 10), (12, 22), (30, 38))
    prediction = boxes((0, 10), (12, 18))
    scores = score_instances(prediction, truth)
    assert scores.f1_50 == pytest.approx(4 / 5)
    assert scores.f1_75 == pytest.approx(2 / 5)
    assert scores.panoptic_quality == pytest.approx(2 * 1.6 / 5)
    assert scores.segmentation_quality == pytest.approx(0.8)
    assert (scores.precision_50, scores.recall_50) == (1.0, pytest.approx(2 / 3))


def test_a_tie_at_one_half_is_matched_once():
    truth = boxes((0, 10))
    prediction = boxes((0, 5), (5, 10))
    scores = score_instances(prediction, truth)
    assert scores.f1_50 == pytest.approx(2 / 3)


def test_mask_and_annotations_are_left_out():
    truth = boxes((0, 10), (20, 30))
    prediction = truth.copy()
    prediction[..., 20:30] = 0
    mask = np.ones_like(truth)
    mask[..., 15:] = 0
    paint = np.zeros_like(truth)
    paint[..., 15:] = 1
    assert score_instances(prediction, truth).f1_50 < 1
    assert score_instances(prediction, truth, mask=mask).f1_50 == 1
    assert score_instances(prediction, truth, exclude=paint).f1_50 == 1


def test_no_object_at_all_is_refused():
    with pytest.raises(InputError, match="neither"):
        score_instances(np.zeros((1, 2, 2), int), np.zeros((1, 2, 2), int))


def test_nothing_found_is_zero_not_an_error():
    truth = boxes((0, 10))
    scores = score_instances(np.zeros_like(truth), truth)
    assert (scores.f1_50, scores.panoptic_quality, scores.segmentation_quality) == (0, 0, None)
    assert scores.table()["overall"]["objects in the truth"] == 1
