"""Two terabytes beside a hundred megabytes: open, jump, paint, train, predict a region.

    python -m benchmarks.huge_volume [--only small|huge] [--write]

The volumes are OME-Zarr with a pyramid; of the large one only what is painted and
predicted later is stored, the rest is its fill value. Each goes through a real viewer
and a real engine, under a virtual display if there is none. Memory is the highest that
a process took, less what it took with all libraries loaded and nothing opened.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from benchmarks.page import write_section

SHAPES = {"small": (96, 1024, 1024), "huge": (8192, 16384, 16384)}
TITLES = {"small": "100 MB", "huge": "2 TB"}
CHUNK = (32, 256, 256)
STORED = (64, 512, 512)
SPACING = (8.0, 8.0, 8.0)
BACKGROUND = 40
JUMPS, DABS = 12, 100
LIMIT_S = 210

ROWS = {
    "open_s": ("open, to the first slice on screen (s)", 2.0),
    "project_s": ("make a project of it (s)", None),
    "jump_median_s": ("jump to any slice, median (s)", None),
    "jump_max_s": ("jump to any slice, slowest (s)", None),
    "dab_p95_ms": ("dab of the brush, p95 (ms)", 10.0),
    "click_p95_ms": ("mouse press until the dab is painted, p95 (ms)", None),
    "undo_s": ("undo a stroke (s)", None),
    "train_start_s": ("training, to its first step (s)", None),
    "predict_s": ("predict a region of 32 x 256 x 256 (s)", None),
    "viewer_gib": ("viewer, peak memory (GiB)", 2.0),
    "engine_gib": ("engine, peak memory (GiB)", 2.0),
}


def make_volume(path: Path, shape: tuple[int, int, int]) -> None:
    """Write bright balls in the middle of an OME-Zarr of any size."""
    group = zarr.create_group(path, zarr_format=3)
    levels = []
    size, factor = list(shape), 1
    while True:
        array = group.create_array(
            str(len(levels)),
            shape=tuple(size),
            chunks=tuple(min(c, n) for c, n in zip(CHUNK, size, strict=True)),
            dtype="uint8",
            fill_value=BACKGROUND,
            dimension_names=["z", "y", "x"],
        )
        levels.append(factor)
        first = [(n - b) // 2 for n, b in zip(shape, stored_shape(shape), strict=True)]
        box = tuple(
            slice(a // factor, (a + b) // factor)
            for a, b in zip(first, stored_shape(shape), strict=True)
        )
        array[box] = texture(stored_shape(shape))[::factor, ::factor, ::factor][
            tuple(slice(0, s.stop - s.start) for s in box)
        ]
        if max(size[1:]) <= 1024:
            break
        size, factor = [-(-n // 2) for n in size], factor * 2
    scales = [{"type": "scale", "scale": [s * f for s in SPACING]} for f in levels]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "axes": [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"],
                "datasets": [
                    {"path": str(i), "coordinateTransformations": [scale]}
                    for i, scale in enumerate(scales)
                ],
            }
        ],
    }


def stored_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Voxels with an image on them, along Z, Y, X."""
    z, y, x = (min(a, b) for a, b in zip(STORED, shape, strict=True))
    return z, y, x


def texture(shape: tuple[int, int, int]) -> np.ndarray:
    """Noisy bright balls on a dark ground."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]
    balls = (z % 32 - 16) ** 2 + (y % 64 - 32) ** 2 + (x % 64 - 32) ** 2 < 14**2
    noise = rng.integers(0, 60, shape, np.uint8)
    return np.where(balls, np.uint8(150), np.uint8(BACKGROUND)) + noise


class Meter:
    """Highest memory of a process, watched from a thread of the parent's clock."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.pid = pid

    def read(self, field: str) -> int:
        """Bytes, ``VmRSS`` now or ``VmHWM`` at its highest."""
        for line in self._status.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
        raise LookupError(field)

    def reset(self) -> None:
        """Begin a new peak."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


class Visit:
    """A viewer with the dock, and a volume to visit."""

    def __init__(self, image: Path, folder: Path) -> None:
        import napari

        self.image, self.folder = image, folder
        self.shape = SHAPES[image.stem]
        self.figures: dict[str, float] = {}
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1500, 950)
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-densify", "Densify")
        self.bench = self.dock.bench
        self.warm_up()
        self.meter = Meter(os.getpid())
        self.idle_bytes = self.meter.read("VmRSS")
        self.meter.reset()

    def warm_up(self) -> None:
        """Load what napari loads with its first layers: it belongs to the libraries."""
        self.viewer.add_image(np.zeros((2, 64, 64), np.uint8))
        self.viewer.add_labels(np.zeros((2, 64, 64), np.uint8))
        self.draw()
        self.viewer.layers.clear()
        self.bench.client.start()
        self.until(lambda: self.bench.client.state == "ready")

    def draw(self) -> None:
        """Process events until nothing is left to be drawn."""
        from qtpy.QtWidgets import QApplication

        for _ in range(4):
            QApplication.processEvents()

    def until(self, condition: Any, timeout_s: float = 500) -> None:
        """Process events until something is true."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + timeout_s
        while not condition():
            QApplication.processEvents()
            time.sleep(0.002)
            if time.monotonic() > end:
                raise TimeoutError("it took too long")

    def timed(self, name: str, action: Any) -> None:
        """Note how long something takes until it is drawn."""
        begun = time.perf_counter()
        action()
        self.draw()
        self.figures[name] = time.perf_counter() - begun

    def open(self) -> None:
        """Open as a user does, and make a project."""
        open_image = lambda: self.viewer.open(str(self.image), plugin="napari-densify")  # noqa: E731
        self.timed("open_s", open_image)
        layer = self.viewer.layers[0]

        def make() -> None:
            self.bench.create_project(layer, self.folder / "visit.densify")
            self.until(lambda: self.bench.session.project is not None)

        self.timed("project_s", make)

    def jump(self) -> None:
        """Show slices at random, the whole plane and close by in turn."""
        rng = np.random.default_rng(1)
        times = []
        for number in range(JUMPS):
            if number == JUMPS // 2:
                self.look_closely()
            begun = time.perf_counter()
            self.bench.canvas.go_to_slice(int(rng.integers(self.shape[0])))
            self.draw()
            times.append(time.perf_counter() - begun)
        self.figures["jump_median_s"] = float(np.median(times))
        self.figures["jump_max_s"] = max(times)

    def look_closely(self) -> None:
        """Zoom in to the middle of the plane."""
        from napari_densify.plugin.view import camera_of

        camera = camera_of(self.viewer)
        camera.center = (0, *(n * s / 2 for n, s in zip(self.shape[1:], SPACING[1:], strict=True)))
        camera.zoom = 2 / SPACING[1]
        end = time.monotonic() + 0.2
        self.until(lambda: time.monotonic() > end)

    def paint(self) -> None:
        """Stroke over both classes on slices in the middle; time every dab, then clicks."""
        from qtpy.QtCore import QPoint, Qt
        from qtpy.QtTest import QTest

        layer = self.bench.canvas.paint_layer
        middle = [n // 2 for n in self.shape]
        rng = np.random.default_rng(2)
        layer.brush_size = 9
        dabs, clicks = [], []
        native = self.viewer.window._qt_viewer.canvas.native
        for number in range(DABS):
            if number % 20 == 0:
                self.bench.canvas.go_to_slice(middle[0] - 8 + number // 20 * 2)
                self.draw()
            z = self.bench.canvas.current_slice
            label = 1 + number % 2
            y, x = self.place(label, rng)
            at = layer.world_to_data((z * SPACING[0], y * SPACING[1], x * SPACING[2]))
            begun = time.perf_counter()
            layer.paint(at, label)
            dabs.append(time.perf_counter() - begun)
            self.draw()
            layer.mode, layer.selected_label = "paint", label
            spot = QPoint(
                *(int(n * rng.uniform(0.3, 0.7)) for n in (native.width(), native.height()))
            )
            begun = time.perf_counter()
            keys = (native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, spot)
            QTest.mousePress(*keys)
            clicks.append(time.perf_counter() - begun)
            QTest.mouseRelease(*keys)
            self.draw()
            layer.undo()
        self.figures["dab_p95_ms"] = 1000 * float(np.percentile(dabs, 95))
        self.figures["click_p95_ms"] = 1000 * float(np.percentile(clicks, 95))
        self.timed("undo_s", layer.undo)
        layer.redo()
        self.draw()

    def place(self, label: int, rng: np.random.Generator) -> tuple[int, int]:
        """Row and column of a ball, or beside one, near the middle."""
        corner = [(n - b) // 2 for n, b in zip(self.shape, stored_shape(self.shape), strict=True)]
        y, x = (int(rng.integers(3, 5)) * 64 + (32 if label == 2 else 0) for _ in range(2))
        return corner[1] + y, corner[2] + x

    def train(self) -> None:
        """Train a few steps on what is painted."""
        session = self.bench.session
        wishes = {"steps": 8, "budget_s": None, "threads": 2, "device": "cpu"}
        session.set_train_settings(session.train_settings.model_copy(update=wishes))
        begun = time.perf_counter()
        self.bench.train()
        self.until(lambda: session.job is None or len(session.training.loss) > 0)
        self.figures["train_start_s"] = time.perf_counter() - begun
        self.until(lambda: session.job is None)
        if not session.project.rounds():
            raise RuntimeError("the training failed")

    def predict(self) -> None:
        """Predict a region around the paint."""
        session = self.bench.session
        sides = [(n // 2, n // 2 + w) for n, w in zip(self.shape, (32, 256, 256), strict=True)]
        text = ",".join(f"{a}:{b}" for a, b in sides)
        session.predict_settings = session.predict_settings.model_copy(
            update={"region": text, "mirrors": 1, "threads": 2, "device": "cpu"}
        )

        def run() -> None:
            self.bench.predict()
            self.until(lambda: session.job is None)

        self.timed("predict_s", run)
        found = self.bench.canvas.prediction_layer
        data = found.data[0] if found.multiscale else found.data
        if not np.asarray(data[tuple(slice(a, a + 8) for a, _ in sides)]).any():
            raise RuntimeError("nothing was predicted")


def visit(image: Path) -> dict[str, float]:
    """Go through a volume in this process; return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        tour = Visit(image, Path(folder))
        steps = (tour.open, tour.jump, tour.look_closely, tour.paint, tour.train, tour.predict)
        for step in steps:
            step()
            print(step.__name__, tour.figures, file=sys.stderr, flush=True)
        engine = Meter(tour.bench.client.pid)
        tour.figures["engine_gib"] = (engine.read("VmHWM") - libraries_bytes()) / 2**30
        tour.figures["viewer_gib"] = (tour.meter.read("VmHWM") - tour.idle_bytes) / 2**30
        tour.bench.close()
        tour.viewer.close()
    return {name: round(value, 4) for name, value in tour.figures.items()}


def libraries_bytes() -> int:
    """Memory of a process that has loaded what an engine loads, and a little network's kernels."""
    code = (
        "import napari_densify.engine.jobs.train, napari_densify.engine.jobs.predict, torch;"
        "import psutil;"
        "import napari_densify.training, napari_densify.inference, napari_densify.project;"
        "import scipy.ndimage, skimage;"
        "torch.set_num_threads(2);"
        "torch.nn.functional.conv3d(torch.ones(1,1,8,8,8), torch.ones(1,1,3,3,3));"
        "print(psutil.Process().memory_info().rss)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def in_own_process(image: Path) -> dict[str, float]:
    """Visit a volume in a process of its own, under a display."""
    shown = os.environ.get("DISPLAY") or not shutil.which("xvfb-run")
    display = [] if shown else ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
    words = [*display, sys.executable, "-m", "benchmarks.huge_volume", "--visit", str(image)]
    # A session of its own: the display and the engine end with it.
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        said, trouble = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise SystemExit(f"{image.name} takes longer than {LIMIT_S} s") from None
    print(trouble, file=sys.stderr)
    if process.returncode:
        raise SystemExit(process.returncode)
    figures: dict[str, float] = json.loads(said.strip().splitlines()[-1])
    return figures


def table(results: dict[str, dict[str, float]]) -> str:
    """Markdown, the volumes side by side."""
    names = list(results)
    lines = [
        f"| | {' | '.join(TITLES[n] for n in names)} | target |",
        "|---" * (len(names) + 2) + "|",
    ]
    for key, (title, target) in ROWS.items():
        cells = " | ".join(f"{results[n][key]:.3g}" for n in names)
        lines.append(f"| {title} | {cells} | {f'< {target:g}' if target else ''} |")
    return "\n".join(lines)


def main() -> None:
    """Make the volumes, visit each, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=list(SHAPES), action="append")
    parser.add_argument("--visit", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    if options.visit:
        print(json.dumps(visit(options.visit)))
        return
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or SHAPES:
            path = Path(folder) / f"{name}.zarr"
            make_volume(path, SHAPES[name])
            results[name] = in_own_process(path)
    body = table(results)
    print(body)
    if options.write:
        write_section("Two terabytes", "python -m benchmarks.huge_volume --write", body)


if __name__ == "__main__":
    main()
