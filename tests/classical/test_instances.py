"""Objects: touching ones are split by their necks, in nm, and numbered without gaps."""

import numpy as np
import pytest

from napari_densify.classical import InstanceParameters, label_objects
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.evaluation import score_instances

BLOBS = ClassTable.from_values([1, 2], background=1)


def balls(centres, radius, shape, spacing=(1.0, 1.0, 1.0)):
    """True ids and class codes of balls, given in nm."""
    grids = np.meshgrid(
        *(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij"
    )
    ids = np.zeros(shape, np.uint32)
    for i, centre in enumerate(centres, 1):
        distance = sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True))
        ids[distance < radius**2] = i
    return ids, np.where(ids > 0, 2, 1).astype(np.uint8)


def test_touching_balls_are_two():
    ids, labels = balls([(15, 15, 15), (15, 15, 31)], 9, (30, 30, 46))
    found = label_objects(labels, classes=BLOBS)
    assert found.dtype == np.uint32
    assert found.max() == 2
    assert score_instances(found, ids).f1_75 == 1
    np.testing.assert_array_equal(found > 0, labels == 2)


def test_spacing_counts():
    """Overlap along Z: with flat voxels taken for cubes the two would be one disc."""
    spacing = (5.0, 1.0, 1.0)
    ids, labels = balls([(30, 20, 20), (62, 20, 20)], 18, (19, 40, 40), spacing)
    assert label_objects(labels, classes=BLOBS, spacing=spacing).max() == 2
    assert score_instances(label_objects(labels, classes=BLOBS, spacing=spacing), ids).f1_75 == 1


def test_one_long_object_is_one():
    labels = np.ones((1, 30, 90), np.uint8)
    labels[0, 10:20, 5:85] = 2
    assert label_objects(labels, classes=BLOBS).max() == 1
    strict = InstanceParameters(depth=0.95)
    _, two = balls([(15, 15, 15), (15, 15, 31)], 9, (30, 30, 46))
    assert label_objects(two, classes=BLOBS, parameters=strict).max() == 1


def test_cells_parted_by_a_boundary():
    labels = np.full((4, 41, 41), 2, np.uint8)
    labels[:, 20], labels[:, :, 20] = 1, 1
    found = label_objects(labels)
    assert found.max() == 4
    assert (found[labels == 1] == 0).all()
    full = label_objects(labels, parameters=InstanceParameters(fill_boundary=True))
    assert (full > 0).all()
    assert full.max() == 4


def test_small_ones_are_dropped():
    labels = np.ones((1, 30, 30), np.uint8)
    labels[0, 5:15, 5:15] = 2
    labels[0, 25, 25] = 2
    assert label_objects(labels, classes=BLOBS).max() == 1
    assert (
        label_objects(labels, classes=BLOBS, parameters=InstanceParameters(smallest=0)).max() == 2
    )


def test_what_cannot_be_an_object_is_said():
    with pytest.raises(InputError, match="nothing but background"):
        label_objects(np.ones((1, 4, 4), np.uint8), classes=BLOBS)
    with pytest.raises(InputError, match="object_class"):
        label_objects(np.ones((1, 4, 4), np.uint8), parameters=InstanceParameters(object_class=7))
