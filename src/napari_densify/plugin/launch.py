"""``python -m napari_densify.plugin.launch NAME``: the viewer with a bundled volume."""

from __future__ import annotations

import sys

import napari

__all__ = ["open_viewer"]

PLUGIN = "napari-densify"


def open_viewer(sample: str) -> napari.Viewer:
    """Open a viewer that shows a bundled volume, its paint, and the dock."""
    viewer = napari.Viewer(title="Densify")
    viewer.open_sample(PLUGIN, sample)
    viewer.window.add_plugin_dock_widget(PLUGIN, "Densify")
    return viewer


def main() -> None:
    """Show the viewer until it is closed."""
    open_viewer(sys.argv[1] if len(sys.argv) > 1 else "fibsem")
    napari.run()


if __name__ == "__main__":
    main()
