"""What holds for every method: dense known codes, input untouched, blocks, parameters."""

import numpy as np
import pytest

from napari_densify.classical import METHODS, run_method, run_objects
from napari_densify.classical.instances import object_class
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Volume

NAMES = list(METHODS)
# Least share of voxels that each must get right on three well separated intensities; contours
# and edges move outlines, and here are no lines for the ridge filters.
BARS = {"edges": 0.55, "ridges": 0.45, "snakes": 0.8, "geodesic_contour": 0.8}
# Superpixels as small as the objects.
SMALL = {"superpixels": {"size": 30}}


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_dense_right_and_the_input_is_untouched(name, cells):
    volume, truth, paint = cells
    before, painted = volume.data.copy(), paint.copy()
    labels = run_method(name, volume, annotations=paint, parameters=SMALL.get(name))
    assert labels.shape == volume.shape
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {1, 2, 3}
    assert (labels == truth).mean() > BARS.get(name, 0.85)
    np.testing.assert_array_equal(volume.data, before)
    np.testing.assert_array_equal(paint, painted)


@pytest.mark.parametrize("name", NAMES)
def test_other_codes_give_the_same_segmentation(name, stack):
    """Codes are names: 5, 9, 300 for 1, 2, 3 change nothing but the dtype."""
    volume, _, paint = stack
    codes = np.array([0, 5, 9, 300], np.uint16)
    labels = run_method(name, volume, annotations=paint)
    renamed = run_method(name, volume, annotations=codes[paint])
    assert renamed.dtype == np.uint16
    np.testing.assert_array_equal(renamed, codes[labels])


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.blockwise])
def test_blocks_give_what_the_whole_gives(name, stack, monkeypatch):
    from napari_densify.classical import run

    volume, _, paint = stack
    whole = run_method(name, volume, annotations=paint)
    planar = METHODS[name].planar
    size = (2, 40, 42) if planar else (2, 16, 20)
    monkeypatch.setattr(run, "_block_shape", lambda method, shape: size)
    np.testing.assert_array_equal(run_method(name, volume, annotations=paint), whole)


@pytest.mark.parametrize("name", NAMES)
def test_repeats_exactly(name, stack):
    volume, _, paint = stack
    first = run_method(name, volume, annotations=paint)
    np.testing.assert_array_equal(run_method(name, volume, annotations=paint), first)


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if not m.needs_paint])
def test_runs_without_paint(name, stack):
    volume, _, _ = stack
    labels = run_method(name, volume)
    assert set(np.unique(labels)) == {1, 2}


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.needs_paint])
def test_paint_is_asked_for(name, stack):
    volume, _, paint = stack
    with pytest.raises(InputError, match="paint"):
        run_method(name, volume)
    with pytest.raises(InputError, match="only one class"):
        run_method(name, volume, annotations=np.where(paint == 1, 1, 0).astype(np.uint8))


@pytest.mark.parametrize("name", NAMES)
def test_constant_image_is_no_fault(name):
    paint = np.zeros((3, 24, 24), np.uint8)
    paint[1, :12], paint[1, 12:] = 1, 2
    labels = run_method(name, Volume(np.full((3, 24, 24), 7, np.uint8)), annotations=paint)
    assert set(np.unique(labels)) <= {1, 2}


@pytest.mark.parametrize("name", ["threshold", "watershed", "random_forest"])
def test_not_a_number_is_no_fault(name, stack):
    volume, truth, paint = stack
    image = volume.data.astype(np.float32)
    image[3, 2, 2], image[4, 5, 5] = np.nan, np.inf
    labels = run_method(name, Volume(image, volume.spacing), annotations=paint)
    assert (labels == truth).mean() > 0.85


def test_second_channel(stack):
    volume, truth, paint = stack
    both = Volume(np.stack([np.zeros_like(volume.data), volume.data]), volume.spacing)
    labels = run_method("threshold", both, annotations=paint, parameters={"channel": 1})
    assert (labels == truth).mean() > 0.9
    with pytest.raises(InputError, match="channel"):
        run_method("threshold", both, annotations=paint, parameters={"channel": 2})


def test_annotations_of_another_shape_are_refused(stack):
    volume, _, paint = stack
    with pytest.raises(InputError, match="annotations"):
        run_method("threshold", volume, annotations=paint[:, :-1])


def test_table_of_the_caller_is_kept(stack):
    volume, _, _ = stack
    table = ClassTable.from_values([4, 7])
    assert set(np.unique(run_method("otsu", volume, classes=table))) == {4, 7}


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.objects])
def test_regions_are_objects_and_classes_at_once(name, cells):
    volume, _, paint = cells
    parameters = SMALL.get(name, {})
    labels, ids = run_objects(name, volume, annotations=paint, parameters=parameters)
    expected = run_method(name, volume, annotations=paint, parameters=parameters)
    np.testing.assert_array_equal(labels, expected)
    value = object_class(labels, None)
    np.testing.assert_array_equal(ids > 0, labels == value)
    assert ids.dtype == np.uint32
    assert np.array_equal(np.unique(ids[ids > 0]), np.arange(1, ids.max() + 1))


def test_basins_of_touching_objects_are_two_objects():
    """Two painted discs that touch are one class, but two basins."""
    y, x = np.mgrid[:30, :50]
    near = np.minimum(np.hypot(y - 15, x - 15), np.hypot(y - 15, x - 34))
    image = np.where(near < 11, 200 - 8 * near, 10).astype(np.uint8)[None]
    paint = np.zeros_like(image)
    paint[0, 14:17, 14:17] = paint[0, 14:17, 33:36] = 2
    paint[0, :2] = 1
    options = {"annotations": paint, "classes": ClassTable.default()}
    labels, ids = run_objects("watershed", Volume(image), **options)
    assert ids.max() == 2
    assert ids[0, 15, 15] != ids[0, 15, 34]
    assert (ids[labels == 1] == 0).all()
    with pytest.raises(InputError, match="densify instances"):
        run_objects("threshold", Volume(image), **options)
