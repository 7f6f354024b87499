"""Global thresholds are scikit-image's; paint decides the sides."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import filters

from napari_densify.classical import run_method
from napari_densify.classical.threshold import find_thresholds
from napari_densify.core.errors import InputError
from napari_densify.core.volume import Volume


@pytest.mark.parametrize("name", ["otsu", "li", "yen", "triangle", "isodata", "mean", "minimum"])
def test_gives_the_librarys_threshold(name, cells):
    volume, _, _ = cells
    image = volume.data.astype(np.float32)
    expected = image > getattr(filters, f"threshold_{name}")(image)
    labels = run_method(name, volume, parameters={"sigma": 0})
    np.testing.assert_array_equal(labels == 2, expected)


def test_multi_otsu_is_the_librarys(cells):
    volume, _, paint = cells
    image = volume.data.astype(np.float32)
    expected = np.digitize(image, filters.threshold_multiotsu(image, classes=3), right=True) + 1
    labels = run_method("multi-otsu", volume, annotations=paint, parameters={"sigma": 0})
    np.testing.assert_array_equal(labels, expected)


def test_smoothing_follows_the_voxel_size(stack):
    volume, _, _ = stack
    smooth = ndimage.gaussian_filter(volume.data.astype(np.float32), (0.5, 2, 2))
    labels = run_method("otsu", volume, parameters={"sigma": 2})
    np.testing.assert_array_equal(labels == 2, smooth > filters.threshold_otsu(smooth))


def test_paint_decides_which_side_is_which():
    image = np.zeros((1, 20, 20), np.uint8)
    image[0, :, 10:] = 200
    paint = np.zeros_like(image)
    paint[0, :4, :10], paint[0, :4, 10:] = 2, 1
    labels = run_method("otsu", Volume(image), annotations=paint, parameters={"sigma": 0})
    assert labels[0, 9].tolist() == [2] * 10 + [1] * 10
    assert run_method("otsu", Volume(image), parameters={"invert": True})[0, 9, 0] == 2


def test_manual_thresholds():
    image = np.array([[[0, 10, 20, 30]]], np.uint8)
    parameters = {"algorithm": "manual", "values": [5, 25], "sigma": 0}
    paint = np.array([[[1, 2, 0, 3]]], np.uint8)
    labels = run_method("threshold", Volume(image), annotations=paint, parameters=parameters)
    assert labels.tolist() == [[[1, 2, 2, 3]]]
    with pytest.raises(InputError, match="needs thresholds"):
        run_method("threshold", Volume(image), parameters={"algorithm": "manual"})


def test_paint_threshold_parts_what_otsu_does_not():
    """Rare bright voxels: Otsu cuts the bulk in two, paint says where the cut belongs."""
    rng = np.random.default_rng(0)
    image = rng.choice([50, 100], (2, 40, 40))
    bright = rng.random(image.shape) < 0.02
    image[bright] = 120
    truth = np.where(bright, 2, 1).astype(np.uint8)
    paint = truth.copy()
    paint[1] = 0
    volume = Volume(image.astype(np.uint8))
    found = run_method(
        "threshold", volume, annotations=paint, parameters={"algorithm": "paint", "sigma": 0}
    )
    np.testing.assert_array_equal(found, truth)


def test_impossible_histogram_is_said():
    with pytest.raises(InputError, match="minimum"):
        find_thresholds(np.linspace(0, 1, 512), algorithm="minimum")
