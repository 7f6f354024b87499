from __future__ import annotations

import numpy as np
import pytest

from napari_densify.classical.instances import (
    InstanceParameters,
    label_objects,
    resolve_object_classes,
)
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable

TABLE = ClassTable.default()
MEMBRANE = ClassTable.from_values([1, 2], names={1: "membrane", 2: "inside"})


def two_touching_balls(stretch=1):
    z, y, x = np.mgrid[:16, :48, :60]
    z = (z - 8) * stretch
    first = z**2 + (y - 20) ** 2 + (x - 18) ** 2 < 13**2
    second = z**2 + (y - 26) ** 2 + (x - 38) ** 2 < 13**2
    return np.where(first | second, 2, 1).astype(np.uint8), first, second


def test_touching_objects_are_parted():
    labels, first, second = two_touching_balls()
    ids = label_objects(labels, classes=TABLE)
    assert ids.dtype == np.uint32
    assert np.unique(ids).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(ids > 0, labels == 2)
    ours = {np.bincount(ids[part]).argmax() for part in (first & ~second, second & ~first)}
    assert ours == {1, 2}


def test_distances_are_physical():
    labels, *_ = two_touching_balls(stretch=2)
    assert label_objects(labels, classes=TABLE, spacing=(20, 10, 10)).max() == 2


def test_without_splitting_a_piece_is_an_object():
    labels, *_ = two_touching_balls()
    parameters = InstanceParameters(split=False)
    assert label_objects(labels, classes=TABLE, parameters=parameters).max() == 1


def test_a_depth_above_the_narrowing_splits_nothing():
    labels, *_ = two_touching_balls()
    assert label_objects(labels, classes=TABLE, parameters=InstanceParameters(depth=20)).max() == 1


def test_boundary_class_parts_objects_and_is_none_itself():
    labels = np.full((3, 20, 41), 2, np.uint8)
    labels[:, :, 20] = 1
    ids = label_objects(labels, classes=MEMBRANE)
    assert ids.max() == 2
    assert (ids[:, :, 20] == 0).all()
    assert len(np.unique(ids[:, :, :20])) == 1


def test_thin_and_small_objects():
    labels = np.ones((1, 30, 60), np.uint8)
    labels[0, 10, 5:50] = 2  # thinner than the depth: still an object
    labels[0, 20:22, 5:7] = 2  # four voxels
    kept = label_objects(labels, classes=TABLE, parameters=InstanceParameters(smallest=10))
    assert np.unique(kept).tolist() == [0, 1]
    assert (kept[0, 10, 5:50] == 1).all()
    every = label_objects(labels, classes=TABLE, parameters=InstanceParameters(smallest=0))
    assert every.max() == 2


def test_classes_are_kept_apart():
    labels = np.ones((1, 12, 24), np.uint8)
    labels[:, 2:10, 2:12], labels[:, 2:10, 12:22] = 2, 3
    ids = label_objects(labels, classes=TABLE.only([1, 2, 3]))
    assert ids.max() == 2
    assert len({int(ids[0, 5, 5]), int(ids[0, 5, 18])}) == 2


def test_one_slice_and_nothing():
    assert label_objects(np.ones((1, 4, 4), np.uint8), classes=TABLE).max() == 0


@pytest.mark.parametrize(
    ("present", "table", "parameters", "expected"),
    [
        ({1, 2}, TABLE, {}, ((2,), True)),
        ({1, 2}, MEMBRANE, {}, ((2,), False)),
        ({1, 2}, MEMBRANE, {"split": True}, ((2,), True)),
        ({0, 1, 2}, None, {}, ((1, 2), True)),
        ({1, 2, 3}, None, {"boundary": 3}, ((1, 2), False)),
        ({1, 2, 3}, None, {"objects": (3,)}, ((3,), True)),
    ],
)
def test_which_classes_are_objects(present, table, parameters, expected):
    assert resolve_object_classes(present, table, InstanceParameters(**parameters)) == expected


def test_nothing_tells_objects_from_background():
    with pytest.raises(InputError, match="objects=2"):
        label_objects(np.full((1, 4, 4), 2, np.uint8))
