from __future__ import annotations

import numpy as np

from napari_densify.io import write_volume


def make(step, qtbot, bench, folder):
    step.folder.setText(str(folder))
    step.start.click()
    qtbot.waitUntil(lambda: bench.session.project is not None, timeout=60000)
    return bench.session.project


def test_several_channels_are_ticked_for_the_network(dock, viewer, qtbot, tmp_path, rng):
    stack = rng.integers(0, 255, (3, 4, 40, 50), np.uint8)
    path = write_volume(tmp_path / "a.tif", stack, spacing=(9.0, 4.0, 4.0), spacing_known=True)
    step = dock.step("Volume")
    step.open_path(str(path))
    step._choose_layer(viewer.layers[1])
    assert step.part.channels() == (1,)
    step.part.boxes[2].setChecked(True)
    project = make(step, qtbot, dock.bench, tmp_path / "a.densify")
    assert project.document.image.use_channels == (1, 2)
    np.testing.assert_array_equal(project.image().read(), stack[1:])


def test_one_channel_layer_is_one_channel_for_the_network(dock, viewer, qtbot, tmp_path, rng):
    stack = rng.integers(0, 255, (2, 4, 40, 50), np.uint8)
    path = write_volume(tmp_path / "a.tif", stack)
    step = dock.step("Volume")
    step.open_path(str(path))
    step._choose_layer(viewer.layers[1])
    project = make(step, qtbot, dock.bench, tmp_path / "a.densify")
    np.testing.assert_array_equal(project.image().read(), stack[1:])


def test_a_coarser_level_is_painted_on_and_shown(dock, viewer, qtbot, tmp_path, rng, monkeypatch):
    monkeypatch.setattr("napari_densify.io._pyramid._COARSEST", 32)
    stack = rng.integers(0, 255, (4, 60, 80), np.uint8)
    path = write_volume(tmp_path / "a.zarr", stack, spacing=(40.0, 8.0, 8.0), spacing_known=True)
    step = dock.step("Volume")
    step.open_path(str(path))
    assert step.part.levels.count() == 3
    step.part.levels.setCurrentIndex(1)
    assert step.size.value() == (40.0, 16.0, 16.0)
    project = make(step, qtbot, dock.bench, tmp_path / "a.densify")
    assert (project.shape, project.spacing) == ((4, 30, 40), (40.0, 16.0, 16.0))
    canvas = dock.bench.canvas
    assert [level.shape for level in canvas.image_layer.data] == [(4, 30, 40), (4, 15, 20)]
    np.testing.assert_allclose(canvas.paint_layer.scale, canvas.image_layer.scale)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
