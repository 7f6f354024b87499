"""How long a dab of the brush takes in a real viewer, alone and while training runs.

Run it under a display, for example ``xvfb-run -a -s "-screen 0 1600x1000x24" python
benchmarks/gui_dab.py``. It prints one JSON object: milliseconds of a dab (median and
95th percentile), alone and during training, their ratio, and the longest time that the
event loop was blocked in each case.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_densify.plugin.workbench import Workbench, workbench_of


def spin(condition, timeout_s: float = 120.0) -> None:
    """Process events until something is true."""
    end = time.monotonic() + timeout_s
    while not condition():
        QApplication.processEvents()
        time.sleep(0.005)
        if time.monotonic() > end:
            raise TimeoutError("it took too long")


def dabs(viewer: napari.Viewer, bench: Workbench, count: int, seed: int) -> dict[str, float]:
    """Press and release the brush at ``count`` places; time each until it is drawn."""
    native = viewer.window._qt_viewer.canvas.native
    rng = np.random.default_rng(seed)
    times, gaps = [], []
    last = time.perf_counter()
    for _ in range(count):
        at = native.rect().center() + (native.rect().bottomRight() * 0.3) * float(
            rng.uniform(-1, 1)
        )
        began = time.perf_counter()
        QTest.mousePress(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        QTest.mouseRelease(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        times.append(1000 * (time.perf_counter() - began))
        for _ in range(5):
            QApplication.processEvents()
            now = time.perf_counter()
            gaps.append(1000 * (now - last))
            last = now
            time.sleep(0.01)
            last += 0.01
    return {
        "median_ms": round(float(np.median(times)), 2),
        "p95_ms": round(float(np.percentile(times, 95)), 2),
        "longest_block_ms": round(max(gaps), 1),
    }


def main() -> None:
    """Open a volume, paint it, train, paint meanwhile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--shape", type=int, nargs=3, default=(16, 512, 512))
    options = parser.parse_args()
    viewer = napari.Viewer()
    rng = np.random.default_rng(0)
    image = viewer.add_image(rng.integers(0, 255, options.shape, dtype=np.uint8))
    viewer.window.add_plugin_dock_widget("napari-densify", "Densify")
    bench = workbench_of(viewer)
    with tempfile.TemporaryDirectory() as folder:
        bench.create_project(image, Path(folder) / "dab.densify")
        spin(lambda: bench.session.project is not None and bench.client.state == "ready")
        layer = bench.canvas.paint_layer
        for value, x in ((1, 100), (2, 300)):
            layer.paint((options.shape[0] // 2, 200, x), value)
        result = {"alone": dabs(viewer, bench, options.count, 1)}
        settings = bench.session.train_settings.model_copy(update={"budget_s": 600.0})
        bench.session.set_train_settings(settings)
        bench.train()
        spin(lambda: len(bench.session.training.loss) > 2, 300)
        result["training"] = dabs(viewer, bench, options.count, 2)
        result["ratio_of_medians"] = round(
            result["training"]["median_ms"] / result["alone"]["median_ms"], 2
        )
        print(json.dumps(result, indent=2))
        bench.close()
        viewer.close()


if __name__ == "__main__":
    main()
