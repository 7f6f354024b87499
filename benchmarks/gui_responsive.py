"""How long the viewer's event loop is ever blocked: a long script of real strokes and moves.

Run it under a display, for example ``xvfb-run -a -s "-screen 0 1600x1000x24" python
-m benchmarks.gui_responsive --minutes 10``. In a real viewer it paints with mouse
events, moves through slices, zooms, fills, undoes, trains with live previews, predicts and
looks for the next slice, over and over. Meanwhile a timer of 5 ms measures how long the
event loop doesn't come round, and a thread notes what the viewer's thread was doing then.
It prints a table and one JSON object: milliseconds of a dab, the longest blocks, and where
they were. *Own work* is processor time of the viewer's thread: what a busy machine takes
away from it is not counted there.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest

from benchmarks.page import busy, write_section
from napari_densify.data import sample_files
from napari_densify.plugin.view import camera_of
from napari_densify.plugin.workbench import Workbench, workbench_of

BEAT_MS = 5
NOTED_MS = 60
LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Heartbeat:
    """Measures gaps between beats of the event loop, and samples stacks in long ones."""

    def __init__(self) -> None:
        self.gaps: list[tuple[float, float, str]] = []
        self.stacks: Counter[str] = Counter()
        self.doing = "start"
        self._last, self._cpu = time.perf_counter(), time.thread_time()
        self._beats = 0
        self._main = threading.get_ident()
        self._running = True
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)
        threading.Thread(target=self._watch, daemon=True).start()

    def _beat(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        gap, work = 1000 * (now - self._last) - BEAT_MS, 1000 * (cpu - self._cpu)
        self._beats += 1
        if gap > NOTED_MS:
            self.gaps.append((gap, work, self.doing))
        self._last, self._cpu = now, cpu

    def _watch(self) -> None:
        """Note where the viewer's thread is while a beat is overdue."""
        while self._running:
            time.sleep(0.01)
            if 1000 * (time.perf_counter() - self._last) > NOTED_MS:
                frame = sys._current_frames().get(self._main)
                if frame is not None:
                    self.stacks[_place(frame)] += 1

    def stop(self) -> dict[str, Any]:
        """End, and sum up."""
        self._running = False
        self._timer.stop()
        longest = sorted(self.gaps, reverse=True)[:8]
        return {
            "beats": self._beats,
            "blocks over 60 ms": len(self.gaps),
            "blocks over 100 ms": sum(gap > 100 for gap, *_ in self.gaps),
            "blocks over 100 ms of our own work": sum(work > 100 for _, work, _ in self.gaps),
            "longest ms": [[round(gap), round(work), doing] for gap, work, doing in longest],
            "where": self.stacks.most_common(12),
        }


def _place(frame: Any) -> str:
    """Innermost call, and the innermost of this package or napari above it."""
    stack = traceback.extract_stack(frame)
    names = [f"{Path(f.filename).stem}.{f.name}:{f.lineno}" for f in stack]
    ours = [n for f, n in zip(stack, names, strict=True) if "napari" in f.filename]
    return " < ".join([names[-1], *reversed(ours[-4:])])


class Script:
    """What a user does, one action after the other; each yields the pause after it in ms.

    Parameters
    ----------
    viewer, bench
        Viewer with a project.
    seed
        Of the places painted.
    """

    def __init__(self, viewer: napari.Viewer, bench: Workbench, beat: Heartbeat, seed: int) -> None:
        self.viewer, self.bench, self.beat = viewer, bench, beat
        self.native = viewer.window._qt_viewer.canvas.native
        self.rng = np.random.default_rng(seed)
        self.dabs: list[float] = []
        self.trainings = self.strokes = 0

    def actions(self) -> Iterator[int]:
        """Do things for ever."""
        while True:
            for part in (
                self._stroke, self._stroke, self._move, self._dabs, self._zoom, self._stroke,
                self._aids, self._scroll, self._job,
            ):  # fmt: skip
                self.beat.doing = part.__name__
                yield from part()

    def _point(self) -> QPoint:
        rect = self.native.rect()
        x, y = self.rng.uniform(-0.3, 0.3, 2)
        return rect.center() + QPoint(int(rect.width() * x), int(rect.height() * y))

    def _stroke(self) -> Iterator[int]:
        layer = self.bench.canvas.paint_layer
        layer.mode = "paint"
        layer.selected_label = int(self.rng.choice(self.bench.session.classes.values))
        at, step = self._point(), QPoint(*(int(v) for v in self.rng.integers(-9, 10, 2)))
        QTest.mousePress(self.native, LEFT, PLAIN, at)
        for _ in range(25):
            at = at + step
            QTest.mouseMove(self.native, at)
            yield 8
        QTest.mouseRelease(self.native, LEFT, PLAIN, at)
        self.strokes += 1
        yield 60

    def _dabs(self) -> Iterator[int]:
        for _ in range(10):
            at = self._point()
            began = time.perf_counter()
            QTest.mousePress(self.native, LEFT, PLAIN, at)
            QTest.mouseRelease(self.native, LEFT, PLAIN, at)
            self.dabs.append(1000 * (time.perf_counter() - began))
            yield 40

    def _move(self) -> Iterator[int]:
        depth = self.bench.session.shape[0]
        self.bench.canvas.go_to_slice(int(self.rng.integers(depth)))
        yield 150

    def _scroll(self) -> Iterator[int]:
        for z in range(min(20, self.bench.session.shape[0])):
            self.bench.canvas.go_to_slice(z)
            yield 30

    def _zoom(self) -> Iterator[int]:
        camera = camera_of(self.viewer)
        before = camera.zoom
        for factor in (1.3, 1.7, 1.2, 1.0):
            camera.zoom = before * factor
            yield 40

    def _aids(self) -> Iterator[int]:
        painter = self.bench.painter
        for action in (painter.fill_rest, painter.undo, painter.accept_slice, painter.undo):
            painter.attempt(action)
            yield 120

    def _job(self) -> Iterator[int]:
        """Train with previews most of the time; now and then predict, or ask where to go next."""
        session = self.bench.session
        if session.job is None:
            trained = bool(session.project.rounds())
            jobs = [self.bench.train, self.bench.train]
            jobs += [self.bench.predict, self.bench.suggest] if trained else []
            self.bench.attempt(jobs[self.trainings % len(jobs)])
            self.trainings += 1
        yield 50


def run(script: Iterator[int], seconds: float) -> None:
    """Let the script run within an event loop, as long as it should."""
    end, loop = time.monotonic() + seconds, QEventLoop()

    def next_action() -> None:
        if time.monotonic() > end:
            loop.quit()
        else:
            QTimer.singleShot(next(script), next_action)

    QTimer.singleShot(0, next_action)
    loop.exec()


def wait(condition: Any) -> None:
    """Let events come until something is true."""
    timer, loop = QTimer(), QEventLoop()
    timer.timeout.connect(lambda: loop.quit() if condition() else None)
    timer.start(20)
    loop.exec()


def open_volume(size: int, folder: Path) -> tuple[napari.Viewer, Workbench]:
    """Open a viewer on a volume of a given edge, tiled from a bundled one, with a project."""
    import tifffile

    image = tifffile.imread(sample_files("fibsem").image)
    tiles = [1, -(-size // image.shape[1]), -(-size // image.shape[2])]
    viewer = napari.Viewer()
    viewer.window.resize(1280, 800)
    layer = viewer.add_image(np.tile(image, tiles)[:, :size, :size])
    viewer.window.add_plugin_dock_widget("napari-densify", "Densify")
    bench = workbench_of(viewer)
    bench.create_project(layer, folder / "responsive.densify")
    wait(lambda: bench.session.project is not None and bench.client.state == "ready")
    return viewer, bench


def table(result: dict[str, Any], seconds: float) -> list[str]:
    """Rows of Markdown with what matters."""
    longest = result["longest ms"][0] if result["longest ms"] else [0, 0, ""]
    rows = {
        "script, s": f"{seconds:.0f}",
        "strokes while the engine works": result["strokes"],
        "dab, median / p95, ms": f"{result['dab ms']['median']} / {result['dab ms']['p95']}",
        "longest block of the event loop, ms": longest[0],
        "of it the viewer's own work, ms": longest[1],
        "blocks over 100 ms": result["blocks over 100 ms"],
        "blocks over 100 ms of the viewer's own work": result["blocks over 100 ms of our own work"],
    }
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


def write(rows: list[str], result: dict[str, Any], seconds: float) -> None:
    """Put the table on the page of benchmarks, with what the longest blocks were."""
    blocks = "; ".join(f"{gap} ms ({work} of own work) in {doing.strip('_')}"
                       for gap, work, doing in result["longest ms"][:4])  # fmt: skip
    rows += ["", f"Longest: {blocks or 'none over 60 ms'}.", "", busy()]
    command = f"python -m benchmarks.gui_responsive --minutes {seconds / 60:g}"
    write_section("A viewer in use while the engine trains", command, "\n".join(rows))


def main() -> None:
    """Open, paint, train, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=1024, help="edge of a slice, in voxels")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    seconds = 60 * options.minutes
    faulthandler.dump_traceback_later(seconds + 120, exit=True)  # it ends by itself, come what may
    with tempfile.TemporaryDirectory() as folder:
        viewer, bench = open_volume(options.size, Path(folder))
        wishes = {"budget_s": min(60.0, seconds / 3), "threads": options.threads}
        session = bench.session
        session.set_train_settings(session.train_settings.model_copy(update=wishes))
        beat = Heartbeat()
        script = Script(viewer, bench, beat, 0)
        run(script.actions(), seconds)
        result = beat.stop()
        result["dab ms"] = {
            "median": round(float(np.median(script.dabs)), 2),
            "p95": round(float(np.percentile(script.dabs, 95)), 2),
            "count": len(script.dabs),
        }
        result["strokes"], result["jobs"] = script.strokes, script.trainings
        print("\n".join(table(result, seconds)))
        if options.write:
            write(table(result, seconds), result, seconds)
        print(json.dumps(result))
        bench.close()
        viewer.close()


if __name__ == "__main__":
    main()
