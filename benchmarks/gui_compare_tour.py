"""Go through the step Compare on a bundled volume, and photograph what it shows.

Run it under a display: ``xvfb-run -a -s "-screen 0 1600x1000x24" python -m
benchmarks.gui_compare_tour docs/images``. It presses the real buttons. The report is photographed
with Chromium, where there is one.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from napari.layers import Labels

from benchmarks.gui_tour import Tour
from napari_densify.data import sample_files
from napari_densify.plugin.layers import find_layer

METHODS = ("threshold", "watershed", "interpolation")
_PATIENCE_S = 3000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def choose(box: object, text: str) -> None:
    """Choose an entry of a combo box by its text."""
    box.setCurrentIndex(box.findText(text))


def prepare(tour: Tour, folder: Path, truth: np.ndarray) -> None:
    """Open the volume, paint four slices from the truth, hold one out, show the truth."""
    bench, volume = tour.bench, tour.dock.step("Volume")
    volume.open_sample("nuclei")
    volume.folder.setText(str(folder / "nuclei.densify"))
    tour.click(volume.start)
    tour.until(lambda: bench.session.project is not None)
    bench.session.set_classes(sample_files("nuclei").classes)
    painted = np.linspace(10, len(truth) - 11, 5).astype(int)
    for z in painted:
        bench.session.paint[int(z)] = truth[z]
    bench.session.paint.flush()
    bench.session.set_held_out(int(painted[2]), True)
    image = bench.canvas.image_layer
    layer = Labels(truth, name="Truth", scale=image.scale, units=image.units, visible=False)
    tour.viewer.add_layer(layer)
    bench.canvas.paint_layer.visible = False
    tour.viewer.layers.selection.active = image
    bench.canvas.go_to_slice(int(painted[2]) - 4)
    for name, part in tour.dock.parts.items():
        (part.expand if name == "Compare" else part.collapse)()


def preview(tour: Tour) -> None:
    """Move a slider of one method."""
    step, viewer = tour.dock.step("Compare"), tour.viewer
    tour.dock.findChild(type(tour.dock.parts["Compare"]), "part-one-method").expand()
    choose(step.one.method, "Local threshold")
    step.one.live.setChecked(True)
    step.one.form.row("window").setValue(45)
    tour.until(lambda: find_layer(viewer, "preview", "trial") is not None)
    tour.until(lambda: "Preview after" in step.one.status.text())
    tour.dock.ensureWidgetVisible(step.one.status)
    tour.photograph("compare-1-method")
    step.one.live.setChecked(False)
    tour.dock.findChild(type(tour.dock.parts["Compare"]), "part-one-method").collapse()


def compare(tour: Tour) -> None:
    """Score five methods."""
    step = tour.dock.step("Compare")
    for name, box in step.methods.items():
        box.setChecked(name in METHODS)
    tour.click(step.compare)
    tour.until(lambda: tour.bench.session.job is None, _PATIENCE_S)


def pictures(tour: Tour) -> None:
    """Side by side, where two differ, and both sides of a line."""
    panel = tour.dock.step("Compare").pictures
    tour.click(panel.buttons["grid"])
    tour.viewer.reset_view()
    tour.dock.ensureWidgetVisible(panel.legend)
    tour.photograph("compare-2-grid")
    tour.click(panel.buttons["grid"])
    choose(panel.first, "Threshold")
    choose(panel.second, "Truth")
    for layer in panel.layers():
        layer.visible = False
    tour.click(panel.buttons["differ"])
    tour.viewer.reset_view()
    tour.dock.ensureWidgetVisible(panel.legend)
    tour.photograph("compare-3-differences")
    tour.click(panel.buttons["differ"])
    choose(panel.second, "Watershed")
    tour.click(panel.buttons["swipe"])
    tour.dock.ensureWidgetVisible(panel.legend)
    tour.photograph("compare-5-swipe")
    tour.click(panel.buttons["swipe"])


def report(page: Path, target: Path) -> None:
    """Photograph the top of the report."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("no Chromium here: the report was not photographed")
        return
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += ["--window-size=1240,1750", f"--screenshot={target}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    """Preview, compare, grid, differences, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    truth = tifffile.imread(sample_files("nuclei").truth)
    tour = Tour(folder)
    with tempfile.TemporaryDirectory() as scratch:
        prepare(tour, Path(scratch), truth)
        preview(tour)
        compare(tour)
        pictures(tour)
        page = tour.dock.step("Compare")._report_file()
        report(page, folder / "compare-4-report.png")
        tour.bench.close()
        tour.viewer.close()


if __name__ == "__main__":
    main()
