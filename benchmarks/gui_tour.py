"""Go through the dock as a user does, on the bundled volume, and photograph every step.

Run it under a display, for example ``xvfb-run -a -s "-screen 0 1600x1000x24" python -m
benchmarks.gui_tour docs/images``. Strokes are made with mouse events on the canvas,
on four slices; the Dice on all the others is printed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import napari
import numpy as np
import numpy.typing as npt
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from benchmarks.scenarios import inside_places
from napari_densify.data import sample_files


class Tour:
    """A viewer with the dock, a mouse and a camera."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1600, 980)
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-densify", "Densify")
        self.bench = self.dock.bench

    def until(self, condition: Callable[[], bool], timeout_s: float = 600) -> None:
        """Process events until something is true."""
        end = time.monotonic() + timeout_s
        while not condition():
            QApplication.processEvents()
            time.sleep(0.01)
            if time.monotonic() > end:
                raise TimeoutError("it took too long")

    def idle(self) -> None:
        """Wait for the job under way."""
        self.until(lambda: self.bench.session.job is None)

    def photograph(self, name: str) -> None:
        """Save what the screen shows, once wrapped lines and tables have found their heights."""
        end = time.monotonic() + 2
        self.until(lambda: time.monotonic() > end)
        path = self.folder / f"{name}.png"
        self.viewer.screenshot(path=str(path), canvas_only=False, flash=False)

    def click(self, widget: object) -> None:
        """Press a button."""
        self.dock.ensureWidgetVisible(widget)
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)

    def pixel(self, y: int, x: int) -> QPoint:
        """Where a voxel of the slice on screen is on the canvas."""
        canvas = self.viewer.window._qt_viewer.canvas
        node = canvas.layer_to_visual[self.bench.canvas.image_layer].node
        at = node.transforms.get_transform("visual", "canvas").map((x + 0.5, y + 0.5, 0, 1))
        return QPoint(int(at[0] / at[3]), int(at[1] / at[3]))

    def stroke(self, points: list[tuple[int, int]]) -> None:
        """Draw with the brush."""
        native = self.viewer.window._qt_viewer.canvas.native
        path = [self.pixel(y, x) for y, x in points]
        button, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        QTest.mousePress(native, button, keys, path[0])
        for at in path[1:]:
            QTest.mouseMove(native, at)
            QApplication.processEvents()
        QTest.mouseRelease(native, button, keys, path[-1])

    def paint(self, truth: npt.NDArray[np.uint8], z: int, strokes: int = 12) -> None:
        """Paint short strokes of each class on a slice, where the truth says so."""
        self.bench.canvas.go_to_slice(z)
        layer = self.bench.canvas.paint_layer
        rng = np.random.default_rng(z)
        for value in np.unique(truth):
            layer.selected_label, layer.brush_size = int(value), 3
            for y, x in islice(inside_places(truth[z], int(value), rng), strokes):
                self.stroke([(y, i) for i in range(x + 1, x + 11, 2)])


def main() -> None:
    """Volume, annotate, train, predict, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=float, default=60.0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    tour, files = Tour(options.folder), sample_files("fibsem")
    truth = tifffile.imread(files.truth)
    painted = [int(z) for z in np.linspace(4, truth.shape[0] - 5, 4)]
    bench, dock = tour.bench, tour.dock
    with tempfile.TemporaryDirectory() as folder:
        volume = dock.step("Volume")
        volume.open_sample("fibsem")
        volume.folder.setText(str(Path(folder) / "fibsem.densify"))
        tour.photograph("1-volume")
        tour.click(volume.start)
        tour.until(lambda: bench.session.project is not None)
        bench.session.set_classes(files.classes)
        for z in painted:
            tour.paint(truth, z)
        tour.click(dock.step("Annotate").held_out)
        tour.photograph("2-annotate")
        settings = bench.session.train_settings.model_copy(update={"budget_s": options.budget})
        bench.session.set_train_settings(settings)
        train = dock.step("Train")
        train._sync_forms()
        tour.click(train.train)
        tour.until(lambda: bench.session.job is None or (bench.session.job.fraction or 0) > 0.6)
        dock.ensureWidgetVisible(train.curves)
        tour.photograph("3-train")
        tour.idle()
        tour.click(dock.step("Predict").predict)
        tour.idle()
        tour.photograph("4-predict")
        rest = [z for z in range(truth.shape[0]) if z not in painted]
        found = np.asarray(bench.canvas.prediction_layer.data[:])[rest]
        for row in files.classes.classes:
            a, b = found == row.value, truth[rest] == row.value
            print(f"Dice {row.name}: {2 * (a & b).sum() / (a.sum() + b.sum()):.3f}")
        dock.parts["Compare"].expand()
        compare = dock.step("Compare")
        for name, box in compare.methods.items():
            box.setChecked(name in ("threshold", "watershed", "random_forest"))
        tour.until(compare.compare.isVisible)
        tour.click(compare.compare)
        tour.idle()
        tour.click(compare.pictures.buttons["grid"])
        tour.photograph("5-compare")
        bench.close()
        tour.viewer.close()


if __name__ == "__main__":
    main()
