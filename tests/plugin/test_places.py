"""Where layers lie: 2D images, offsets, voxel sizes entered later, transforms that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_densify.core.errors import InputError
from napari_densify.plugin import window
from napari_densify.plugin.candidates import candidate_of, make_project
from napari_densify.plugin.view import camera_of


@pytest.fixture
def opened(dock, viewer, qtbot, tmp_path):
    """Make a project of an image layer."""

    def make(layer, spacing=(50.0, 10.0, 10.0)):
        dock.bench.create_project(layer, tmp_path / "a.densify", spacing)
        qtbot.waitUntil(lambda: dock.bench.session.project is not None, timeout=20000)
        qtbot.wait(50)
        return dock.bench

    return make


def test_a_2d_image_is_looked_at_and_painted(opened, viewer):
    bench = opened(viewer.add_image(np.zeros((40, 60), np.uint8), translate=(7, 3)))
    canvas = bench.canvas
    z, y, x = canvas.visible_region()
    assert (z, y.stop - y.start, x.stop - x.start) == (slice(0, 1), 40, 60)
    assert (canvas.current_slice, canvas.plane_on_screen()) == (0, ("XY", 0))
    assert canvas.paint_layer.data_to_world((0, 3, 4)) == pytest.approx((0, 100, 70))
    canvas.paint_layer.data[0, 3, 4] = 2
    assert bench.session.counts() == {2: 1}


def test_a_large_2d_image_is_painted_through_a_window(opened, viewer, monkeypatch):
    monkeypatch.setattr(window, "EDGE", 256)
    bench = opened(viewer.add_image(np.zeros((900, 700), np.uint8), translate=(7, 3)))
    camera_of(viewer).center, camera_of(viewer).zoom = (0, 5070, 4030), 1
    bench.canvas._follower.follow()
    paint = bench.canvas.paint_layer
    z, y, x = np.round(paint.world_to_data((0, 5070, 4030))).astype(int)
    paint.data[z, y, x] = 2
    assert bench.session.paint[0, 500, 400] == 2
    assert bench.session.counts() == {2: 1}


def test_channels_get_the_voxel_size_together_and_the_slice_stays(opened, viewer, tmp_path):
    path = tmp_path / "two.tif"
    tifffile.imwrite(path, np.zeros((9, 2, 20, 30), np.uint8), imagej=True,
                     metadata={"axes": "ZCYX"})  # fmt: skip
    first, second = viewer.open(str(path), plugin="napari-densify")
    other = viewer.add_image(np.zeros((9, 20, 30)), scale=(2, 1, 1))
    viewer.dims.set_point(0, 3)
    bench = opened(first)
    assert tuple(second.scale) == tuple(first.scale) == (50, 10, 10)
    assert tuple(other.scale) == (2, 1, 1)
    assert (viewer.dims.point[0], bench.canvas.current_slice) == (150, 3)
    bench.session.set_spacing((20.0, 5.0, 5.0))
    assert tuple(second.scale) == tuple(bench.canvas.paint_layer.scale) == (20, 5, 5)
    assert (viewer.dims.point[0], bench.canvas.current_slice) == (60, 3)


def test_an_affine_is_refused(viewer):
    moved = np.eye(4)
    moved[1, 3] = 5
    layer = viewer.add_image(np.zeros((3, 4, 5)), affine=moved)
    with pytest.raises(InputError, match="moved by an affine"):
        candidate_of(layer)
    layer.affine = np.eye(4)
    assert candidate_of(layer).shape == (3, 4, 5)


def test_a_copy_that_fails_leaves_no_project_behind(viewer, tmp_path, monkeypatch):
    def full(*_, **__):
        raise InputError("no space left on device")

    candidate = candidate_of(viewer.add_image(np.zeros((3, 4, 5))))
    with monkeypatch.context() as patch:
        patch.setattr("napari_densify.project.project.copy_blockwise", full)
        with pytest.raises(InputError, match="no space left"):
            make_project(candidate, tmp_path / "a.densify")
    assert list(tmp_path.iterdir()) == []
    make_project(candidate, tmp_path / "a.densify").close()
