from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_densify.annotations import AnnotationStore, PaintedArray
from napari_densify.core.blocks import full_region
from napari_densify.core.errors import InputError
from napari_densify.plugin import window
from napari_densify.plugin.view import camera_of
from napari_densify.plugin.window import Absolute, Frame, PaintWindow, frame_for

SHAPE = (3, 900, 700)


@pytest.fixture
def small_edge(monkeypatch):
    monkeypatch.setattr(window, "EDGE", 256)
    monkeypatch.setattr(window, "_EDGE_3D", 64)
    monkeypatch.setattr(window, "_ALIGN", 32)


@pytest.fixture
def paint(tmp_path, rng):
    array = PaintedArray(AnnotationStore.create(tmp_path / "a.zarr", shape=SHAPE, edge=64))
    array[:] = rng.integers(0, 3, SHAPE, np.uint8)
    yield array
    array.close()


def box(*sides):
    return tuple(slice(*side) for side in sides)


def test_the_window_lies_around_the_view_and_stays_while_it_covers_it(small_edge):
    frame = frame_for(SHAPE, box((1, 2), (400, 500), (600, 700)), (1, 2))
    assert frame == Frame((0, 320, 444), (1, 1, 1), (3, 256, 256))
    near = frame_for(SHAPE, box((1, 2), (330, 430), (500, 600)), (1, 2), frame)
    assert near is frame
    far = frame_for(SHAPE, box((1, 2), (300, 400), (500, 600)), (1, 2), frame)
    assert far.covers(box((1, 2), (300, 400), (500, 600)))
    assert far != frame


def test_from_far_away_every_nth_voxel_is_shown(small_edge):
    frame = frame_for(SHAPE, full_region(SHAPE), (1, 2))
    assert frame == Frame((0, 0, 0), (1, 4, 4), (3, 225, 175))
    assert not frame.paintable


def test_across_another_axis_and_in_3d(small_edge):
    across = frame_for(SHAPE, box((0, 3), (10, 11), (0, 100)), (0, 2))
    assert across == Frame((0, 0, 0), (1, 1, 1), (3, 900, 256))
    solid = frame_for(SHAPE, full_region(SHAPE), (0, 1, 2))
    assert solid.step == (16, 16, 16)
    assert max(solid.shape) <= 64


@pytest.mark.parametrize("origin", [(0, 0, 0), (1, 130, 77)])
@pytest.mark.parametrize("step", [(1, 1, 1), (1, 3, 3), (2, 4, 4)])
def test_reading_gives_what_the_volume_has_there(paint, origin, step):
    shape = tuple(min(64, (n - o) // s) for n, o, s in zip(SHAPE, origin, step, strict=True))
    shown = PaintWindow(paint, Frame(origin, step, shape))
    every = tuple(slice(o, None, s) for o, s in zip(origin, step, strict=True))
    expected = np.asarray(paint)[every][tuple(slice(0, n) for n in shape)]
    np.testing.assert_array_equal(np.asarray(shown), expected)
    np.testing.assert_array_equal(shown[0, 5:40, 7], expected[0, 5:40, 7])
    points = tuple(np.array([[0, 0], [3, 63], [9, 11]]))
    np.testing.assert_array_equal(shown[points], expected[points])
    np.testing.assert_array_equal(shown[:, ::2, -3], expected[:, ::2, -3])


def test_writing_goes_to_the_volume_and_an_absolute_index_stays_where_it_was(paint):
    shown = PaintWindow(paint, Frame((1, 100, 200), (1, 1, 1), (2, 50, 60)))
    expected = np.asarray(paint)
    shown[0, 10:20, 5] = 7
    expected[1, 110:120, 205] = 7
    shown[np.array([1, 1]), np.array([3, 4]), np.array([5, 6])] = 8
    expected[[2, 2], [103, 104], [205, 206]] = 8
    key = Absolute(shown.absolute((slice(0, 1), slice(0, 2), slice(0, 3))))
    shown.frame = Frame((0, 0, 0), (1, 4, 4), (3, 200, 175))
    shown[key] = 9
    expected[1, 100:102, 200:203] = 9
    assert (shown[key] == 9).all()
    np.testing.assert_array_equal(np.asarray(paint), expected)


def test_a_coarse_window_refuses_paint(paint):
    shown = PaintWindow(paint, Frame((0, 0, 0), (1, 4, 4), (3, 225, 175)))
    with pytest.raises(InputError, match="zoom in"):
        shown[0, 0, 0] = 1


@pytest.fixture
def large(dock, viewer, qtbot, monkeypatch, tmp_path):
    """A project whose planes are shown through windows of 256 voxels a side."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    monkeypatch.setattr(window, "EDGE", 256)
    bench = dock.bench
    image = viewer.add_image(np.zeros((4, 2000, 1500), np.uint8), contrast_limits=(0, 9))
    bench.create_project(image, tmp_path / "large.densify", (40.0, 8.0, 8.0))
    qtbot.waitUntil(lambda: bench.session.project is not None, timeout=20000)
    canvas = viewer.window._qt_viewer.canvas

    def look_at(y: float, x: float, zoom: float) -> None:
        camera = camera_of(viewer)
        camera.center = (0, y * 8.0, x * 8.0)
        camera.zoom = zoom / 8.0
        bench.canvas._follower.follow()
        qtbot.wait(60)

    def stroke(y: int, x: int, length: int = 20) -> None:
        node = canvas.layer_to_visual[image].node
        to_canvas = node.transforms.get_transform("visual", "canvas")
        at = [to_canvas.map((x + i + 0.5, y + 0.5, 0, 1)) for i in range(0, length, 4)]
        path = [QPoint(int(a[0] / a[3]), int(a[1] / a[3])) for a in at]
        QTest.mousePress(canvas.native, Qt.LeftButton, Qt.NoModifier, path[0])
        for place in path[1:]:
            QTest.mouseMove(canvas.native, place)
            qtbot.wait(1)
        QTest.mouseRelease(canvas.native, Qt.LeftButton, Qt.NoModifier, path[-1])
        qtbot.wait(1)

    return SimpleNamespace(bench=bench, look_at=look_at, stroke=stroke, viewer=viewer)


def test_strokes_land_where_the_pointer_is_and_undo_finds_them_again(large, qtbot):
    bench, paint = large.bench, large.bench.session.paint
    layer = bench.canvas.paint_layer
    layer.brush_size = 9
    large.viewer.dims.set_current_step(0, 2)
    for z, y, x in ((2, 300, 250), (1, 1900, 1400), (3, 1000, 700)):
        large.viewer.dims.set_current_step(0, z)
        large.look_at(y, x, 4)
        layer.selected_label = 1 + z % 2
        large.stroke(y, x)
        assert paint[z, y, x : x + 16].tolist() == [1 + z % 2] * 16
        assert paint[z, y - 6, x + 8] == 0
        local = np.round(layer.world_to_data((z * 40.0, y * 8.0, x * 8.0))).astype(int)
        assert layer._slice.image.raw[tuple(local[1:])] == 1 + z % 2
    counts = paint.slice_counts()
    assert set(counts) == {1, 2, 3}
    large.look_at(100, 100, 4)
    for left in ({1, 2}, {2}, set()):
        layer.undo()
        assert set(paint.slice_counts()) == left
    for _ in range(3):
        layer.redo()
    assert paint.slice_counts() == counts


def test_from_far_away_the_brush_is_put_away_and_taken_up_again(large):
    bench, layer = large.bench, large.bench.canvas.paint_layer
    said = []
    bench.session.said.connect(lambda level, text: said.append(text))
    large.look_at(1000, 700, 4)
    layer.mode = "paint"
    large.stroke(1000, 700, 120)
    large.look_at(1000, 700, 0.3)
    assert not layer.data.frame.paintable
    assert layer.mode == "pan_zoom"
    assert (layer._slice.image.raw > 0).any()  # the stroke can still be seen
    layer.mode = "paint"
    assert layer.mode == "pan_zoom"
    assert "zoom in to paint" in said[-1]
    layer.undo()
    assert bench.session.paint.counts() == {}
    layer.redo()
    large.look_at(1000, 700, 4)
    assert layer.mode == "paint"
    assert bench.session.paint.counts()


def test_what_is_on_screen_is_known_with_a_window_too(large):
    large.look_at(1000, 700, 4)
    z, y, x = large.bench.canvas.visible_region()
    assert abs((y.start + y.stop) / 2 - 1000) < 3
    assert abs((x.start + x.stop) / 2 - 700) < 3
    height, _ = large.viewer.window._qt_viewer.canvas.size[:2]
    assert abs((y.stop - y.start) - height / 4) < 4
    assert z.stop - z.start == 1
