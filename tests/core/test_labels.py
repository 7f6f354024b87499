"""The label contract's numpy half."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from napari_densify.core.errors import InputError
from napari_densify.core.labels import (
    UNLABELLED,
    ClassTable,
    LabelClass,
    count_labels,
    label_dtype,
    require_trainable,
    to_class_indices,
)


def test_zero_means_not_annotated():
    assert UNLABELLED == 0
    assert count_labels(np.zeros((2, 3, 4), np.uint8)) == {}
    assert ClassTable.from_values([0, 3, 1]).values == (1, 3)
    with pytest.raises(ValidationError):
        LabelClass(value=0, name="not a class", color="#000000")


def test_a_new_project_has_background_1_and_a_foreground():
    table = ClassTable.default()
    assert table.values == (1, 2)
    assert table.background == 1


def test_files_without_a_table_have_no_background():
    table = ClassTable.from_values([1, 2])
    assert table.background is None
    assert table.name(2) == "class 2"


def test_at_most_one_background():
    rows = ClassTable.default().classes
    both = tuple(row.model_copy(update={"background": True}) for row in rows)
    with pytest.raises(ValidationError, match="at most one"):
        ClassTable(classes=both)


@pytest.mark.parametrize("order", [(1, 0), (0, 0)])
def test_values_are_unique_and_ascending(order):
    rows = ClassTable.default().classes
    with pytest.raises(ValidationError, match="ascending"):
        ClassTable(classes=tuple(rows[i] for i in order))


def test_only_keeps_rows_and_adds_unknown_values():
    table = ClassTable.default().only([0, 2, 7])
    assert table.values == (2, 7)
    assert table.name(2) == "foreground"
    assert table.background is None


def test_table_survives_json():
    table = ClassTable.from_values([1, 300], names={300: "Zellkern µ"}, background=1)
    assert ClassTable.model_validate_json(table.model_dump_json()) == table


@pytest.mark.parametrize(
    ("largest", "dtype"), [(2, np.uint8), (255, np.uint8), (256, np.uint16), (65535, np.uint16)]
)
def test_label_dtype(largest, dtype):
    assert label_dtype(largest) == dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_count_labels_leaves_out_what_is_not_annotated(dtype):
    labels = np.array([[0, 0, 1], [5, 5, 0]], dtype)
    assert count_labels(labels) == {1: 1, 5: 2}


def test_two_classes_are_trainable():
    require_trainable({1: 1, 2: 1})


@pytest.mark.parametrize("counts", [{}, {0: 100}, {1: 0, 2: 0}])
def test_no_paint_is_refused(counts):
    with pytest.raises(InputError, match="no voxel is annotated") as caught:
        require_trainable(counts, where="paint.tif")
    assert caught.value.where == "paint.tif"
    assert "two classes" in caught.value.mend


def test_one_class_is_refused_by_name_and_unlabelled_does_not_count():
    table = ClassTable.default()
    with pytest.raises(InputError, match=r"only one class is painted \(foreground, value 2\)"):
        require_trainable({0: 10**6, 2: 50, 1: 0}, table)


def test_class_indices_put_unlabelled_and_unknown_at_minus_one():
    table = ClassTable.from_values([2, 5])
    labels = np.array([[0, 2, 5], [1, 9, 2]], np.uint8)
    indices = to_class_indices(labels, table)
    np.testing.assert_array_equal(indices, [[-1, 0, 1], [-1, -1, 0]])
    assert indices.dtype == np.int16


def test_class_indices_of_nothing():
    assert to_class_indices(np.zeros((0, 4), np.uint8), ClassTable.default()).shape == (0, 4)


def test_predictions_can_be_copied_into_annotations():
    table = ClassTable.from_values([1, 2, 40])
    truth = np.array([1, 40, 2, 2], np.uint8)
    codes = np.array(table.values, np.uint8)[to_class_indices(truth, table)]
    np.testing.assert_array_equal(codes, truth)


def test_object_ids_are_counted_and_refused():
    ids = np.array([[0, 3, 2**40, 2**40]], np.uint64)
    counts = count_labels(ids)
    assert counts == {3: 1, 2**40: 2}
    with pytest.raises(InputError, match="object id"):
        require_trainable(counts)
