from __future__ import annotations

import numpy as np
import pytest

from napari_densify.annotations import (
    AnnotationStore,
    Edit,
    PaintedArray,
    copy_object,
    copy_prediction,
    erase,
    fill_unlabelled,
    slice_region,
    stroke_box,
    without_slices,
)
from napari_densify.core.errors import InputError

SHAPE = (4, 30, 40)
ALL = tuple(slice(0, n) for n in SHAPE)


@pytest.fixture
def labels():
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 5:15, 5:20] = 2
    labels[1, 20:25, 5:20] = 1
    return labels


@pytest.fixture
def prediction():
    prediction = np.ones(SHAPE, np.uint8)
    prediction[:, 4:12, 4:12] = 2
    prediction[:, 20:28, 20:30] = 2
    prediction[2, 12:20, 10:22] = 2  # joins both in 3D, and in slice 2
    return prediction


def applied(edit, labels):
    changed = labels.copy()
    undo = edit.apply(changed)
    restored = changed.copy()
    undo.apply(restored)
    np.testing.assert_array_equal(restored, labels)
    fancy = labels.copy()
    fancy[edit.indices] = edit.values
    np.testing.assert_array_equal(fancy, changed)
    return changed


def test_fill_gives_a_class_to_what_nobody_painted(labels):
    edit = fill_unlabelled(labels, slice_region(SHAPE, 1), 1)
    changed = applied(edit, labels)
    assert len(edit) == 30 * 40 - 225
    np.testing.assert_array_equal(changed[1] == 2, labels[1] == 2)
    assert (changed[1] > 0).all()
    np.testing.assert_array_equal(changed[[0, 2, 3]], 0)


def test_erase_makes_voxels_unlabelled(labels):
    assert applied(erase(labels, ALL), labels).max() == 0
    changed = applied(erase(labels, ALL, classes=[2]), labels)
    np.testing.assert_array_equal(changed, np.where(labels == 2, 0, labels))


def test_a_slice_of_the_prediction_becomes_paint_where_there_is_none(labels, prediction):
    changed = applied(copy_prediction(labels, prediction, slice_region(SHAPE, 1)), labels)
    np.testing.assert_array_equal(changed[1], np.where(labels[1] > 0, labels[1], prediction[1]))
    assert changed[[0, 2, 3]].max() == 0


def test_the_prediction_may_overwrite(labels, prediction):
    region = slice_region(SHAPE, 7, axis=1)
    changed = applied(copy_prediction(labels, prediction, region, overwrite=True), labels)
    np.testing.assert_array_equal(changed[:, 7], prediction[:, 7])
    np.testing.assert_array_equal(changed[:, 8:], labels[:, 8:])


def test_single_classes_of_the_prediction_are_copied(labels, prediction):
    edit = copy_prediction(labels, prediction, ALL, classes=[2])
    assert set(edit.values.tolist()) == {2}
    changed = applied(edit, labels)
    np.testing.assert_array_equal(changed == 2, (labels == 2) | ((prediction == 2) & (labels == 0)))


def test_an_unlabelled_prediction_erases_nothing(labels, prediction):
    prediction[1] = 0
    edit = copy_prediction(labels, prediction, slice_region(SHAPE, 1), overwrite=True)
    assert len(edit) == 0
    np.testing.assert_array_equal(applied(edit, labels), labels)


def test_the_object_clicked_on_is_copied_in_its_slice(labels, prediction):
    edit = copy_object(labels, prediction, slice_region(SHAPE, 0), (0, 5, 5))
    changed = applied(edit, labels)
    expected = np.zeros(SHAPE[1:], bool)
    expected[4:12, 4:12] = True
    np.testing.assert_array_equal(changed[0] == 2, expected)
    assert edit.region == (slice(0, 1), slice(4, 12), slice(4, 12))


def test_the_object_clicked_on_is_copied_in_3d(labels, prediction):
    changed = applied(copy_object(labels, prediction, ALL, (0, 5, 5)), labels)
    np.testing.assert_array_equal(changed[0] == 2, prediction[0] == 2)
    np.testing.assert_array_equal(changed[3] == 2, prediction[3] == 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a, p: copy_object(a, np.zeros_like(p), ALL, (0, 0, 0)), "nothing is predicted"),
        (lambda a, p: copy_object(a, p, slice_region(SHAPE, 1), (0, 0, 0)), "outside the region"),
        (lambda a, p: copy_prediction(a, p[1:], ALL), r"shape \(3, 30, 40\)"),
        (lambda a, p: slice_region(SHAPE, 4), r"no slice 4 \(0..3\)"),
    ],
)
def test_what_cannot_be_done_is_told(labels, prediction, call, message):
    with pytest.raises(InputError, match=message):
        call(labels, prediction)


def test_edits_apply_to_the_paint_of_a_project(tmp_path, labels, prediction):
    painted = PaintedArray(AnnotationStore.create(tmp_path / "a.zarr", shape=SHAPE, edge=16))
    painted[:] = labels
    edit = copy_prediction(painted, prediction, ALL)
    assert isinstance(edit, Edit)
    undo = edit.apply(painted)
    np.testing.assert_array_equal(np.asarray(painted), np.where(labels, labels, prediction))
    undo.apply(painted)
    np.testing.assert_array_equal(np.asarray(painted), labels)
    painted.close()


def test_a_brush_covers_a_capsule_of_one_slice():
    region = slice_region(SHAPE, 1)
    box, mask = stroke_box(region, (1, 10, 10), (1, 10, 20), (3, 3, 3))
    covered = np.zeros(SHAPE, bool)
    covered[box] = mask
    assert covered[1, 10, 7:24].all()
    assert not covered[1, 10, [6, 24]].any()
    assert covered[1, 7:14, 15].all()
    assert not covered[1, 7, 7]  # the ends are round
    assert not covered[[0, 2, 3]].any()


def test_a_brush_stays_in_the_slice_and_may_be_anisotropic():
    region = slice_region(SHAPE, 20, axis=2)
    box, mask = stroke_box(region, (0, 5, 20), (0, 5, 20), (1, 4, 4))
    covered = np.zeros(SHAPE, bool)
    covered[box] = mask
    assert covered[:2, 5, 20].all()
    assert covered[0, 1:10, 20].all()
    assert np.count_nonzero(covered.any((0, 1))) == 1
    box, mask = stroke_box(region, (0, -50, 20), (0, -40, 20), (1, 4, 4))
    assert mask.size == 0


def test_some_slices_can_be_left_out_of_an_edit(labels, prediction):
    everything = copy_prediction(labels, prediction, ALL)
    spared = without_slices(everything, [1, 2])
    assert 0 < len(spared) < len(everything)
    expected = applied(everything, labels.copy())
    expected[1:3] = labels[1:3]
    np.testing.assert_array_equal(applied(spared, labels.copy()), expected)
    assert len(without_slices(everything, range(len(labels)))) == 0
