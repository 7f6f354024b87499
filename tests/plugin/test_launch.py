from __future__ import annotations

from napari_densify.plugin.launch import open_viewer

from .conftest import put_away


def test_viewer_with_the_volume_its_paint_and_the_dock(qtbot):
    viewer = open_viewer("nuclei")
    try:
        assert "nuclei annotations" in viewer.layers
        assert any("Densify" in name for name in viewer.window.dock_widgets)
    finally:
        put_away(viewer)
