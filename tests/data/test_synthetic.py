"""The random generator: repeatable, honest about its classes, and worth learning from."""

import numpy as np
import pytest
from scipy.ndimage import label

from napari_densify.core.errors import InputError
from napari_densify.data.synthetic import SYNTHETIC_KINDS, synthetic_volume

SHAPES = {"sstem": (3, 96, 96), "fibsem": (12, 64, 64), "sbem": (8, 64, 64)}


def _make(kind, seed=0, **more):
    return synthetic_volume(kind, SHAPES.get(kind, (16, 48, 48)), seed=seed, **more)


@pytest.mark.parametrize("kind", SYNTHETIC_KINDS)
def test_a_kind_is_repeatable_and_labels_every_voxel(kind):
    image, labels = _make(kind)
    again, same = _make(kind)
    other, _ = _make(kind, seed=1)
    assert np.array_equal(image, again)
    assert np.array_equal(labels, same)
    assert not np.array_equal(image, other)
    assert image.dtype == labels.dtype == np.uint8
    assert image.shape == labels.shape
    assert set(np.unique(labels)) <= set(SYNTHETIC_KINDS[kind].classes)
    assert image.std() > 10


@pytest.mark.parametrize(
    ("kind", "brighter", "darker"),
    [("sstem", 2, 1), ("sbem", 2, 1), ("fibsem", 2, 1), ("nuclei", 2, 1), ("cells", 1, 2),
     ("rock", 3, 1)],
)  # fmt: skip
def test_classes_look_as_their_stain_says(kind, brighter, darker):
    for seed in range(3):
        image, labels = _make(kind, seed=seed)
        if (labels == brighter).any() and (labels == darker).any():
            assert image[labels == brighter].mean() > image[labels == darker].mean()


def test_coarser_voxels_show_more_cells():
    shape = (6, 96, 96)
    fine = synthetic_volume("fibsem", shape, spacing=(5, 5, 5), seed=2)[1]
    coarse = synthetic_volume("fibsem", shape, spacing=(15, 15, 15), seed=2)[1]
    assert label(coarse == 2)[1] > 2 * label(fine == 2)[1]


def test_a_single_slice_will_do():
    image, labels = synthetic_volume("sstem", (1, 64, 80), seed=3)
    assert image.shape == labels.shape == (1, 64, 80)


@pytest.mark.parametrize(
    ("kind", "shape", "spacing"),
    [("brain", (8, 8, 8), None), ("rock", (0, 8, 8), None), ("rock", (8, 8, 8), (1, 0, 1))],
)
def test_nonsense_is_refused_in_one_line(kind, shape, spacing):
    with pytest.raises(InputError):
        synthetic_volume(kind, shape, spacing=spacing)
