"""Latencies of the live loop, through the real engine process: no viewer, real strokes on disk.

A project of a mosaic of the bundled FIB-SEM volume gets strokes on two slices. The
engine trains on it; meanwhile somebody scrolls every few seconds and paints.

    python -m benchmarks.live_preview [--size 1024] [--budget 60] [--write]

Rows: from Train to the first preview of any kind and to the first of the network; from
a new slice on screen to its coarse and its fine preview; from a stroke to the first
preview that has learned from it; steps done beside all this, and without it.
"""

from __future__ import annotations

import argparse
import itertools
import queue
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.page import write_section
from benchmarks.preview_latency import mosaic
from benchmarks.scenarios import paint_plane
from napari_densify.core import requests as ask
from napari_densify.core.blocks import Region
from napari_densify.core.events import Event, LayerUpdated, StepDone, parse_event
from napari_densify.core.settings import TrainSettings
from napari_densify.project import Project

TITLE = "Live loop: seconds until the viewer shows it"
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


class LiveEngine:
    """An engine process, and its events with the time at which each came."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "napari_densify.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.events: queue.SimpleQueue[tuple[float, Event]] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.put((time.monotonic(), parse_event(line)))

    def tell(self, message: ask.Request) -> float:
        """Send a message; return when."""
        assert self.process.stdin is not None
        self.process.stdin.write(message.model_dump_json().encode() + b"\n")
        self.process.stdin.flush()
        return time.monotonic()

    def until(
        self, wanted: Callable[[Event], bool], timeout_s: float = 300
    ) -> list[tuple[float, Event]]:
        """Events up to the first that is wanted."""
        end, seen = time.monotonic() + timeout_s, []
        while not seen or not wanted(seen[-1][1]):
            seen.append(self.events.get(timeout=max(0.01, end - time.monotonic())))
        return seen

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


class Session:
    """A project whose strokes and views are told to an engine, as the viewer does."""

    def __init__(self, folder: Path, size: int) -> None:
        volume, paint = mosaic(size, 9)
        self.truth = paint
        tifffile.imwrite(folder / "image.tif", volume.read()[0])
        self.project = Project.create(
            folder / "live.densify", shape=volume.shape, image=str(folder / "image.tif")
        )
        self.flushed: list[Region] = []
        self.paint = self.project.painted(on_flushed=self.flushed.extend)
        self.generations = itertools.count(1)
        self.size = size

    def stroke(self, z: int, seed: int, share: float) -> tuple[ask.Bounds, ...]:
        """Paint strokes on a slice (3 and 6 have truth); return where, once on disk."""
        strokes = np.zeros_like(self.truth)
        paint_plane(self.truth, strokes, 0, z, seed=seed, share=share)
        where = np.argwhere(strokes[z])
        (y0, x0), (y1, x1) = where.min(0), where.max(0) + 1
        patch = strokes[z, y0:y1, x0:x1]
        old = np.asarray(self.paint[z, y0:y1, x0:x1])
        self.paint[z, y0:y1, x0:x1] = np.where(patch > 0, patch, old)
        self.flushed.clear()
        self.paint.flush()
        return tuple(_bounds(r) for r in self.flushed)

    def view(self, z: int) -> ask.View:
        """Look at a whole slice."""
        region = ((z, z + 1), (0, self.size), (0, self.size))
        return ask.View(region=region, generation=next(self.generations))

    def request(self, name: str, *, live: bool, settings: TrainSettings) -> ask.TrainRequest:
        """Train on the project."""
        path = str(self.project.path)
        return ask.TrainRequest(
            job=name, images=(path,), annotations=(path,), project=path, live=live,
            output=str(self.project.path / f"{name}.safetensors"), settings=settings,
        )  # fmt: skip


def _bounds(region: Region) -> Box:
    z, y, x = ((s.start, s.stop) for s in region)
    return z, y, x


def is_preview(event: Event, generation: int = 0) -> bool:
    """Whether it shows the slice on screen (not an older one)."""
    return isinstance(event, LayerUpdated) and event.generation >= generation


def is_network(event: Event) -> bool:
    """Whether it is the network's preview, not a quick classifier's."""
    return is_preview(event) and "step" in event.message  # type: ignore[union-attr]


def live(engine: LiveEngine, session: Session, budget: float) -> dict[str, list[float]]:
    """Train while somebody scrolls and paints; return all latencies by name."""
    rows: dict[str, list[float]] = {k: [] for k in ("any", "network", "coarse", "fine", "stroke")}
    engine.tell(session.view(4))
    began = engine.tell(session.request("live", live=True, settings=TrainSettings(budget_s=budget)))
    seen = engine.until(is_network)
    rows["any"] = [next(t for t, e in seen if is_preview(e)) - began]
    rows["network"] = [seen[-1][0] - began]
    steps = [e.step for _, e in seen if isinstance(e, StepDone)]
    for turn in itertools.count():
        if time.monotonic() - began > budget - 12:
            break
        view = session.view((4, 3, 2, 5, 6, 7)[turn % 6])
        asked = engine.tell(view)
        answers = engine.until(lambda e, g=view.generation: is_preview(e, g) and e.final)
        steps += [e.step for _, e in answers if isinstance(e, StepDone)]
        first = next(t for t, e in answers if is_preview(e, view.generation))
        rows["coarse"].append(first - asked)
        rows["fine"].append(answers[-1][0] - asked)
        if turn % 2:
            where = session.stroke(3 if turn % 4 == 1 else 6, 100 + turn, 0.0005)
            asked = engine.tell(ask.StrokesChanged(regions=where))
            answers = engine.until(
                lambda e, n=turn // 2: isinstance(e, LayerUpdated) and e.strokes > n
            )
            steps += [e.step for _, e in answers if isinstance(e, StepDone)]
            rows["stroke"].append(answers[-1][0] - asked)
    rest = engine.until(lambda e: e.kind in ("done", "failed"))
    steps += [e.step for _, e in rest if isinstance(e, StepDone)]
    rows["steps"] = [float(max(steps))]
    return rows


def alone(engine: LiveEngine, session: Session, budget: float) -> int:
    """Train the same without anybody looking; return the steps."""
    engine.tell(session.request("alone", live=False, settings=TrainSettings(budget_s=budget)))
    seen = engine.until(lambda e: e.kind in ("done", "failed"), budget + 300)
    return max(e.step for _, e in seen if isinstance(e, StepDone))


def report(rows: dict[str, list[float]], alone_steps: int) -> str:
    """Markdown table."""
    names = {
        "any": "Train -> first preview of any kind",
        "network": "Train -> first preview of the network",
        "coarse": "new slice -> coarse preview",
        "fine": "new slice -> fine preview",
        "stroke": "stroke -> preview that has learned from it",
    }
    lines = ["| | median | p95 | n |", "|---|---|---|---|"]
    for key, name in names.items():
        if rows[key]:
            low, high = np.percentile(rows[key], [50, 95])
            lines.append(f"| {name} | {low:.2f} s | {high:.2f} s | {len(rows[key])} |")
    share = rows["steps"][0] / max(alone_steps, 1)
    lines.append(
        f"| steps beside all this, {alone_steps} alone | {rows['steps'][0]:.0f} | {share:.0%} | |"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder), options.size)
        engine = LiveEngine()
        try:
            engine.until(lambda e: e.kind == "ready")
            for z in (3, 6):
                session.stroke(z, z, 0.01)
            rows = live(engine, session, options.budget)
            text = report(rows, alone(engine, session, options.budget))
        finally:
            engine.close()
            session.paint.close()
            session.project.close()
    print(text)
    if options.write:
        command = f"python -m benchmarks.live_preview {shlex.join(sys.argv[1:])}".strip()
        write_section(f"{TITLE}, {options.size} x {options.size}", command, text)


if __name__ == "__main__":
    main()
