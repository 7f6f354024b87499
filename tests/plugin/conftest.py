"""A real viewer with the dock, a painted volume, and hands that press real buttons."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import napari
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint, QSettings, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_densify.plugin import workbench
from napari_densify.plugin.dock import DensifyDock
from napari_densify.plugin.step import Part

FAKE = [sys.executable, str(Path(__file__).parent / "fake_engine.py")]


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(tmp_path):
    """Keep tests off the engine that this user may have set."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "ini"))


def put_away(viewer: napari.Viewer) -> None:
    """Close a viewer, with its workbench, and let go of all that it drew."""
    bench = workbench._BENCHES.pop(viewer, None)
    if bench is not None:
        bench.close()
    viewer.close()
    QApplication.processEvents()
    gc.collect()  # here, not in the middle of a later viewer's drawing


@pytest.fixture
def viewer(qapp):
    made = napari.Viewer()
    made.window.resize(1400, 900)
    yield made
    put_away(made)


@pytest.fixture
def dock(viewer, qtbot):
    """The dock, talking to the fake engine."""
    workbench.workbench_of(viewer).client.command = FAKE
    _, widget = viewer.window.add_plugin_dock_widget("napari-densify", "Densify")
    assert isinstance(widget, DensifyDock)
    return widget


@pytest.fixture
def image_file(balls, tmp_path) -> Path:
    """The balls as a TIFF with its voxel size, in a folder with spaces and umlauts."""
    folder = tmp_path / "Größe & Maß"
    folder.mkdir()
    path = folder / "bälle.tif"
    volume, _ = balls
    tifffile.imwrite(
        path,
        np.asarray(volume.data),
        imagej=True,
        resolution=(100.0, 100.0),
        metadata={"axes": "ZYX", "spacing": 0.02, "unit": "um"},
    )
    return path


@pytest.fixture
def hands(dock, viewer, qtbot, image_file, balls) -> SimpleNamespace:
    """What a user does, with the mouse on real widgets."""
    bench = dock.bench
    canvas = viewer.window._qt_viewer.canvas
    _, truth = balls

    def click(widget) -> None:
        unfold(widget)
        qtbot.waitUntil(lambda: widget.isVisible() and widget.isEnabled(), timeout=10000)
        qtbot.wait(20)  # the layout settles
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)

    def open_project() -> None:
        step = dock.step("Volume")
        step.open_path(str(image_file))
        click(step.start)
        qtbot.waitUntil(lambda: bench.session.project is not None, timeout=20000)
        qtbot.wait(50)  # the canvas gets its size

    def pixel(z: int, y: int, x: int) -> QPoint:
        node = canvas.layer_to_visual[bench.canvas.image_layer].node
        at = node.transforms.get_transform("visual", "canvas").map((x + 0.5, y + 0.5, 0, 1))
        return QPoint(int(at[0] / at[3]), int(at[1] / at[3]))

    def stroke(z: int, points: list[tuple[int, int]], value: int, *, release: bool = True) -> None:
        bench.canvas.go_to_slice(z)
        layer = bench.canvas.paint_layer
        layer.selected_label, layer.brush_size, layer.mode = value, 3, "paint"
        qtbot.wait(10)
        path = [pixel(z, y, x) for y, x in points]
        QTest.mousePress(canvas.native, Qt.LeftButton, Qt.NoModifier, path[0])
        for at in path[1:]:
            QTest.mouseMove(canvas.native, at)
            qtbot.wait(1)
        if release:
            QTest.mouseRelease(canvas.native, Qt.LeftButton, Qt.NoModifier, path[-1])
        qtbot.wait(1)

    def paint(z: int, *, swapped: bool = False, classes: tuple[int, ...] = (1, 2)) -> None:
        """Stroke along rows of a slice, over voxels that belong to one class."""
        for value in classes:
            inside = truth[z] == value
            for y in range(4, 45, 10):
                for run in runs(inside[y - 1 : y + 2].all(0)):
                    points = [(y, x) for x in run[2:-2:2]]
                    if len(points) > 2:
                        stroke(z, points, 3 - value if swapped else value)

    def idle(timeout: int = 60000) -> None:
        qtbot.waitUntil(lambda: bench.session.job is None, timeout=timeout)

    return SimpleNamespace(
        click=click, open_project=open_project, stroke=stroke, paint=paint, idle=idle,
        bench=bench, session=bench.session, dock=dock, truth=truth, pixel=pixel,
    )  # fmt: skip


def unfold(widget) -> None:
    """Click on the titles of the folded parts that a widget lies in."""
    above = widget.parent()
    while above is not None:
        if isinstance(above, Part) and not above.isExpanded():
            QTest.mouseClick(above.toggleButton(), Qt.MouseButton.LeftButton)
        above = above.parent()


def runs(row: np.ndarray) -> list[list[int]]:
    """Positions of each unbroken run of True."""
    edges = np.flatnonzero(np.diff(np.r_[0, row.astype(int), 0]))
    return [list(range(a, b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@pytest.fixture
def wait_for(qtbot) -> Callable[..., None]:
    def wait(condition: Callable[[], bool], timeout: int = 20000) -> None:
        qtbot.waitUntil(condition, timeout=timeout)

    return wait
