"""A real Labels layer on a PaintedArray: every tool, undo and redo, also from other slices."""

from __future__ import annotations

import numpy as np
import pytest

from napari_densify.annotations import (
    AnnotationStore,
    ArrayAnnotations,
    PaintedArray,
    copy_prediction,
    fill_unlabelled,
    slice_region,
)

napari = pytest.importorskip("napari")
SHAPE = (5, 80, 90)
ALL = tuple(slice(0, n) for n in SHAPE)


@pytest.fixture
def painted(tmp_path):
    array = PaintedArray(AnnotationStore.create(tmp_path / "a.zarr", shape=SHAPE, edge=32))
    yield array
    array.close()


@pytest.fixture
def model():
    """Viewer without a window."""
    return napari.components.ViewerModel()


@pytest.fixture
def pair(model, painted):
    """The same tools act on a layer of a PaintedArray and on one of a numpy array."""
    layers = (model.add_labels(painted, name="ours"), model.add_labels(np.zeros(SHAPE, np.uint8)))
    for layer in layers:
        layer.brush_size = 9
    return layers


def go_to(model, z):
    model.dims.set_current_step(0, z)


def strokes(layer):
    layer.paint((1, 20, 30), 1)
    layer.paint((1, 33, 33), 2)
    with layer.block_history():
        for i in range(5):
            layer.paint((3, 40 + 3 * i, 50 + 4 * i), 3)
    layer.fill((1, 0, 0), 2)
    layer.paint_polygon([(3, 5, 5), (3, 5, 40), (3, 30, 20)], 1)
    layer.paint((3, 41, 51), 0)
    layer.data_setitem((np.array([4, 4]), np.array([1, 79]), np.array([2, 89])), 2)


def assert_same(pair):
    ours, numpy = pair
    np.testing.assert_array_equal(np.asarray(ours.data), numpy.data)
    assert ours.data.counts() == ArrayAnnotations(numpy.data).counts()
    np.testing.assert_array_equal(ours._slice.image.raw, numpy._slice.image.raw)
    np.testing.assert_array_equal(ours._slice.image.view, numpy._slice.image.view)


@pytest.mark.parametrize("shown", [0, 1, 3])
def test_tools_undo_and_redo_do_what_they_do_in_numpy(model, pair, shown):
    go_to(model, shown)
    for layer in pair:
        strokes(layer)
    assert_same(pair)
    assert pair[1].data.any()
    for _ in range(4):
        for layer in pair:
            layer.undo()
        assert_same(pair)
    go_to(model, 4)
    for layer in pair:
        layer.redo()
    assert_same(pair)
    for _ in range(10):
        for layer in pair:
            layer.undo()
    assert_same(pair)
    assert pair[0].data.counts() == {}


def test_an_undo_reaches_the_disk(model, painted):
    layer = model.add_labels(painted)
    layer.paint((1, 20, 30), 1)
    layer.paint((2, 20, 30), 2)
    painted.flush()
    go_to(model, 4)
    layer.undo()
    painted.flush()
    on_disk = AnnotationStore(painted.store.path, read_only=True)
    assert list(on_disk.slice_counts()) == [1]


def test_erasing_makes_voxels_unlabelled_on_disk(model, painted):
    layer = model.add_labels(painted)
    layer.brush_size = 10
    go_to(model, 1)
    layer.paint((1, 20, 30), 1)
    painted.flush()
    layer.brush_size = 30
    layer.paint((1, 20, 30), 0)
    painted.flush()
    assert AnnotationStore(painted.store.path, read_only=True).painted_boxes() == []
    assert not list(painted.store.path.glob("c.*"))


def test_aids_are_one_step_of_the_undo_history(model, painted, rng):
    layer = model.add_labels(painted)
    prediction = rng.integers(1, 4, SHAPE).astype(np.uint8)
    go_to(model, 2)
    layer.paint((2, 20, 30), 3)
    before = np.asarray(painted)
    edit = copy_prediction(painted, prediction, (slice(2, 3), slice(0, 40), slice(0, 50)))
    layer.data_setitem(edit.indices, edit.values)
    edit = fill_unlabelled(painted, slice_region(SHAPE, 2), 1)
    layer.data_setitem(edit.indices, edit.values)
    assert (painted[2] > 0).all()
    np.testing.assert_array_equal(layer._slice.image.raw, painted[2])
    layer.undo()
    layer.undo()
    np.testing.assert_array_equal(np.asarray(painted), before)


def test_other_planes_and_3d_are_shown(model, painted):
    layer = model.add_labels(painted)
    painted[2, 10:20, 30:40] = 2
    model.dims.order = (1, 0, 2)
    model.dims.set_current_step(1, 15)
    layer.refresh()
    assert (layer._slice.image.raw == 2).sum() == 10
    layer.paint((2, 15, 60), 1)
    assert painted[2, 15, 60] == 1
    model.dims.ndisplay = 3
    assert (layer._slice.image.raw == 2).sum() == 100


def test_a_duplicated_layer_is_not_the_projects_paint(model, painted):
    from copy import deepcopy

    layer = model.add_labels(painted)
    layer.paint((0, 20, 30), 1)
    data, *_ = deepcopy(layer.as_layer_data_tuple())
    data[:] = 2
    assert painted.max() == 1
