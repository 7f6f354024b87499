from __future__ import annotations

import numpy as np
import pytest

from napari_densify.data import sample_files
from napari_densify.plugin.launch import open_viewer
from napari_densify.plugin.workbench import workbench_of

from .conftest import FAKE, put_away


def test_viewer_with_the_volume_its_paint_and_the_dock(qtbot):
    viewer = open_viewer("nuclei")
    try:
        assert "nuclei annotations" in viewer.layers
        assert viewer.layers["nuclei annotations"].visible
        assert any("Densify" in name for name in viewer.window.dock_widgets)
    finally:
        put_away(viewer)


def test_a_project_of_it_can_be_trained_at_once(qtbot, tmp_path):
    viewer = open_viewer("nuclei")
    bench = workbench_of(viewer)
    bench.client.command = FAKE
    try:
        paint = viewer.layers["nuclei annotations"]
        image = viewer.layers[sample_files("nuclei").title]
        bench.create_project(image, tmp_path / "nuclei.densify")
        qtbot.waitUntil(lambda: bench.session.project is not None, timeout=20000)
        assert bench.session.advice() == ""
        np.testing.assert_array_equal(np.asarray(bench.session.paint), paint.data)
        assert not paint.visible
    finally:
        put_away(viewer)


@pytest.mark.parametrize("painted", [False, True])
def test_the_sample_of_the_dock_is_painted_if_that_is_wished(dock, wait_for, tmp_path, painted):
    bench = dock.bench
    dock.step("Volume").sources.open_sample("fibsem", painted=painted)
    bench.create_project(bench.canvas.viewer.layers["fibsem"], tmp_path / "f.densify")
    wait_for(lambda: bench.session.project is not None)
    assert bool(bench.session.counts()) == painted
    assert [s["step"] for s in bench.session.project.history()] == ["import"] * painted
