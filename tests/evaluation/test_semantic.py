"""Scores of dense labels: what counts, and that it equals the textbook."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score, precision_recall_fscore_support

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Volume
from napari_densify.evaluation import score_labels


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, (6, 20, 24)).astype(np.uint8)
    wrong = rng.random(truth.shape) < 0.3
    prediction = np.where(wrong, rng.integers(1, 4, truth.shape), np.maximum(truth, 1))
    return prediction.astype(np.uint8), truth


def test_equals_scikit_learn_on_scored_voxels(pair):
    prediction, truth = pair
    scores = score_labels(prediction, truth)
    t, p = truth[truth > 0], prediction[truth > 0]
    precision, recall, f1, n = precision_recall_fscore_support(t, p, labels=[1, 2, 3])
    iou = jaccard_score(t, p, labels=[1, 2, 3], average=None)
    np.testing.assert_allclose([c.precision for c in scores.classes], precision)
    np.testing.assert_allclose([c.recall for c in scores.classes], recall)
    np.testing.assert_allclose([c.dice for c in scores.classes], f1)
    np.testing.assert_allclose([c.iou for c in scores.classes], iou)
    assert [c.voxels for c in scores.classes] == n.tolist()
    assert scores.mean_dice == pytest.approx(f1.mean())
    assert scores.voxels == t.size


def test_annotated_and_masked_voxels_never_count(pair):
    prediction, truth = pair
    exclude = np.zeros_like(truth)
    exclude[0] = 1
    mask = np.ones_like(truth)
    mask[1] = 0
    spoiled = prediction.copy()
    spoiled[:2] = 9
    expected = score_labels(prediction[2:], truth[2:])
    scores = score_labels(spoiled, truth, exclude=exclude, mask=mask)
    assert scores.dice == expected.dice
    assert scores.voxels == expected.voxels
    assert [s.z for s in scores.slices] == [2, 3, 4, 5]
    assert [s.distance for s in scores.slices] == [2, 3, 4, 5]


def test_unlabelled_voxels_do_not_change_any_score(pair):
    prediction, truth = pair
    other = np.where(truth == 0, 3, prediction).astype(np.uint8)
    first, second = score_labels(prediction, truth), score_labels(other, truth)
    assert first.dice == second.dice
    assert (first.rand_error, first.split_vi) == (second.rand_error, second.split_vi)


def test_perfect_prediction_is_perfect_everywhere(pair):
    _, truth = pair
    scores = score_labels(np.maximum(truth, 1), truth)
    assert scores.mean_dice == scores.mean_iou == scores.accuracy == scores.boundary_f1 == 1.0
    assert scores.rand_error == pytest.approx(0)
    assert scores.variation_of_information == pytest.approx(0)
    assert scores.mean_dice_interval == (1.0, 1.0)


def test_a_prediction_outside_the_classes_is_an_error_of_the_true_class():
    truth = np.array([[[1, 1, 2, 2]]], np.uint8)
    scores = score_labels(np.array([[[1, 7, 2, 2]]], np.uint8), truth)
    assert scores.classes[0].recall == 0.5
    assert scores.classes[0].precision == 1.0
    assert scores.accuracy == 0.75


def test_single_code_truth_is_refused_with_the_hint():
    truth = np.array([[[0, 0, 1, 1]]], np.uint8)
    with pytest.raises(InputError, match="--zero background"):
        score_labels(truth + 1, truth)


@pytest.mark.parametrize("code", [1, 2, 255])
def test_zero_background_matches_ordinary_masks(code):
    mask = np.array([[[0, 0, 0, 1, 1, 1, 1, 0]]], np.uint8) * code
    prediction = np.where(mask > 0, 2, 1).astype(np.uint8)
    prediction[0, 0, 0] = 2
    scores = score_labels(prediction, mask, zero="background")
    assert [c.value for c in scores.classes] == [1, 2]
    assert scores.dice == {1: pytest.approx(6 / 7), 2: pytest.approx(8 / 9)}
    assert scores.truth_codes[0] == 1


def test_zero_background_follows_the_flag():
    table = ClassTable.from_values([1, 2], background=2)
    mask = np.array([[[0, 0, 1, 1]]], np.uint8)
    prediction = np.array([[[2, 2, 1, 1]]], np.uint8)
    scores = score_labels(prediction, mask, classes=table, zero="background")
    assert scores.mean_dice == 1.0


def test_zero_background_with_a_prediction_that_has_zeros():
    mask = np.array([[[0, 0, 1, 1]]], np.uint8)
    scores = score_labels(mask, mask, zero="background")
    assert {c.value: c.dice for c in scores.classes} == {0: 1.0, 1: 1.0}


def test_zero_background_with_a_prediction_that_ends_early():
    mask = np.array([[[0, 0, 5, 5]]], np.uint8)
    prediction = np.array([[[1, 1, 2, 0]]], np.uint8)
    table = ClassTable.default()
    scores = score_labels(prediction, mask, classes=table, zero="background", partial=True)
    assert scores.dice == {1: 1.0, 2: pytest.approx(2 / 3)}


def test_truth_that_cannot_be_matched_is_refused():
    truth = np.array([[[0, 3, 4, 5]]], np.uint8)
    with pytest.raises(InputError, match="cannot be matched"):
        score_labels(np.array([[[1, 2, 2, 2]]], np.uint8), truth, zero="background")


def test_object_ids_as_truth_get_the_hint():
    truth = np.arange(1, 401, dtype=np.uint16).reshape(1, 20, 20)
    with pytest.raises(InputError, match="--instances"):
        score_labels(np.ones_like(truth), truth)


@pytest.mark.parametrize("which", ["truth", "annotations", "mask"])
def test_other_shapes_are_refused_by_name(which):
    labels = np.ones((2, 3, 4), np.uint8)
    odd = np.ones((2, 3, 5), np.uint8)
    given = {
        "truth": odd if which == "truth" else labels,
        "exclude": odd if which == "annotations" else None,
        "mask": odd if which == "mask" else None,
    }
    with pytest.raises(InputError, match=which):
        score_labels(labels, **given)


def test_probabilities_are_not_labels():
    with pytest.raises(InputError, match="float32"):
        score_labels(np.zeros((1, 2, 2), np.float32), np.ones((1, 2, 2), np.uint8))


def test_nothing_left_to_score_is_said():
    labels = np.array([[[1, 2]]], np.uint8)
    with pytest.raises(InputError, match="no voxel can be scored"):
        score_labels(labels, labels, exclude=labels)


def test_reads_one_slice_at_a_time(pair):
    prediction, truth = pair

    class Lazy:
        shape, dtype = prediction.shape, prediction.dtype
        largest = 0

        def __getitem__(self, key):
            part = prediction[key]
            Lazy.largest = max(Lazy.largest, part.size)
            return part

    scores = score_labels(Volume(Lazy()), truth)
    assert scores.dice == score_labels(prediction, truth).dice
    assert Lazy.largest == prediction[0].size


def test_json_has_no_nan():
    truth = np.array([[[1, 1, 2, 2]]], np.uint8)
    scores = score_labels(np.ones_like(truth), truth)
    assert scores.classes[1].precision is None
    assert "NaN" not in scores.model_dump_json()
    assert type(scores).model_validate_json(scores.model_dump_json()) == scores
    assert scores.table()["overall"]["mean Dice"] == pytest.approx(1 / 3)
