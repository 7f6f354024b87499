"""Latencies of the live loop, through the real engine process: no viewer, real strokes on disk.

A project of a mosaic of the bundled FIB-SEM volume gets strokes on two slices. The
engine trains on it; meanwhile somebody scrolls every few seconds and paints.

    python -m benchmarks.live_preview [--size 1024] [--budget 90] [--write]

The engine has been asked for its estimate before, as when a volume is opened in the
viewer, and has had ten seconds since to warm up, in which somebody paints. Rows: from
Train to the first preview of any kind, to the first in which the network has a say
(beside a random forest), and to the first of the network alone; from a new slice on
screen to its first and its whole preview; from a stroke to the first preview that has
learned from it; steps done beside all this, and without it. It ends by itself within
`--deadline` seconds; what did not come until then is told as missing.
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

from benchmarks.page import busy, write_section
from benchmarks.preview_latency import mosaic
from benchmarks.scenarios import paint_plane
from napari_densify.core import requests as ask
from napari_densify.core.blocks import Region
from napari_densify.core.events import Event, LayerUpdated, StepDone, parse_event
from napari_densify.core.settings import TrainSettings
from napari_densify.project import Project

TITLE = "Live loop: seconds until the viewer shows it"
PAINTING_S = 10.0
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
        self.steps: list[int] = []
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

    def until(self, wanted: Callable[[Event], bool], end: float) -> list[tuple[float, Event]]:
        """Events up to the first that is wanted, or to the end of the job or of the time.

        Parameters
        ----------
        wanted
            Whether it is the one.
        end
            ``time.monotonic()`` at which waiting ends.
        """
        seen: list[tuple[float, Event]] = []
        while not seen or not (wanted(seen[-1][1]) or seen[-1][1].kind in ("done", "failed")):
            try:
                seen.append(self.events.get(timeout=max(0.01, end - time.monotonic())))
            except queue.Empty:
                break
            self.steps += [e.step for _, e in seen[-1:] if isinstance(e, StepDone)]
        return seen

    def close(self) -> None:
        """End it; the engine itself sees to it that this takes a second or two."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


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


def has_network(event: Event) -> bool:
    """Whether the network has a say in it, not a quick classifier alone."""
    return is_preview(event) and "step" in event.message  # type: ignore[union-attr]


def is_network(event: Event) -> bool:
    """Whether it is the network's alone."""
    return has_network(event) and "forest" not in event.message  # type: ignore[union-attr]


class Watcher:
    """Scrolls and paints while the engine trains, and notes how long answers take."""

    def __init__(self, engine: LiveEngine, session: Session, budget: float, end: float) -> None:
        self.engine, self.session, self.end = engine, session, end
        self.seen: list[tuple[float, Event]] = []
        self.rows: dict[str, list[float]] = {k: [] for k in ("first", "whole", "stroke")}
        engine.tell(session.view(4))
        settings = TrainSettings(budget_s=budget)
        self.began = engine.tell(session.request("live", live=True, settings=settings))
        self.stop = min(self.began + budget - 12, end)
        self.painted = 0

    def _until(self, wanted: Callable[[Event], bool], patience: float) -> list[float]:
        """Seconds of the monotonic clock at which what is wanted came; empty if it didn't."""
        before = len(self.seen)
        self.seen += self.engine.until(wanted, min(self.end, time.monotonic() + patience))
        return [t for t, e in self.seen[before:] if wanted(e)]

    def live(self) -> dict[str, list[float]]:
        """Train to the end; return all latencies by name."""
        self._until(has_network, 60)
        for turn in itertools.count():
            if time.monotonic() > self.stop or not self._running():
                break
            self._look((4, 3, 2, 5, 6, 7)[turn % 6])
            if turn % 2:
                self._paint(3 if turn % 4 == 1 else 6, turn)
        self._until(lambda e: False, 600)
        for name, rule in {
            "any": is_preview, "both": has_network, "network": is_network
        }.items():  # fmt: skip
            self.rows[name] = [t - self.began for t, e in self.seen if rule(e)][:1]
        return self.rows

    def _running(self) -> bool:
        return not self.seen or self.seen[-1][1].kind not in ("done", "failed")

    def _look(self, z: int) -> None:
        view = self.session.view(z)
        asked, before = self.engine.tell(view), len(self.seen)
        self._until(lambda e: _shows(e, view) and e.final, 30)  # type: ignore[union-attr]
        answers = [(t, e) for t, e in self.seen[before:] if _shows(e, view)]
        self.rows["first"] += [t - asked for t, _ in answers[:1]]
        self.rows["whole"] += [t - asked for t, e in answers if e.final][:1]  # type: ignore[union-attr]

    def _paint(self, z: int, turn: int) -> None:
        where = self.session.stroke(z, 100 + turn, 0.0005)
        asked, known = self.engine.tell(ask.StrokesChanged(regions=where)), self.painted
        found = self._until(lambda e: isinstance(e, LayerUpdated) and e.strokes > known, 30)
        self.rows["stroke"] += [t - asked for t in found[:1]]
        self.painted = max((e.strokes for _, e in self.seen if isinstance(e, LayerUpdated)))


def _shows(event: Event, view: ask.View) -> bool:
    return is_preview(event, view.generation) and event.region == view.region  # type: ignore[union-attr]


def alone(engine: LiveEngine, session: Session, budget: float, end: float) -> int:
    """Train the same without anybody looking; return the steps."""
    engine.tell(session.request("alone", live=False, settings=TrainSettings(budget_s=budget)))
    engine.steps.clear()
    engine.until(lambda e: False, end)
    return max(engine.steps, default=0)


def report(rows: dict[str, list[float]], steps: int, alone_steps: int) -> str:
    """Markdown table."""
    names = {
        "any": "Train -> first preview of any kind",
        "both": "Train -> first preview in which the network has a say",
        "network": "Train -> first preview of the network alone",
        "first": "new slice -> first preview",
        "whole": "new slice -> whole preview, in full resolution",
        "stroke": "stroke -> preview that has learned from it",
    }
    lines = ["| | median | p95 | n |", "|---|---|---|---|"]
    for key, name in names.items():
        if rows[key]:
            low, high = np.percentile(rows[key], [50, 95])
            lines.append(f"| {name} | {low:.2f} s | {high:.2f} s | {len(rows[key])} |")
        else:
            lines.append(f"| {name} | not within the training | | 0 |")
    share = f"{steps / alone_steps:.0%}" if alone_steps else ""
    lines.append(f"| steps beside all this, {alone_steps} alone | {steps} | {share} | |")
    return "\n".join([*lines, "", busy()]).strip()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--budget", type=float, default=90.0)
    parser.add_argument("--deadline", type=float, default=330.0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    end = time.monotonic() + options.deadline
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder), options.size)
        engine = LiveEngine()
        try:
            engine.until(lambda e: e.kind == "ready", end)
            for z in (3, 6):
                session.stroke(z, z, 0.01)
            engine.tell(ask.InfoRequest(job="info", image=str(session.project.path), ahead=True))
            engine.until(lambda e: False, end)
            time.sleep(PAINTING_S)
            rows = Watcher(engine, session, options.budget, end).live()
            steps = max(engine.steps, default=0)
            text = report(rows, steps, alone(engine, session, options.budget, end))
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
