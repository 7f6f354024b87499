"""Kill -9 in random moments of painting, saving, training and predicting.

A child process paints, undoes, erases, saves settings, adds rounds and history, and
tells through a pipe what it is about to do. It is killed at a random moment. Then the
project must open; every chunk on disk must be exactly what it was after one of the
strokes (never half of one), and no stroke older than a second may be missing. With
`--what engine` it hits an engine that trains and predicts as well: `benchmarks.kill_engine`.

    python -m benchmarks.kill_project --kills 300 --what paint --workers 2 --write
    python -m benchmarks.kill_project --kills 200 --what engine --workers 2 --write
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import write_section
from napari_densify.annotations import AnnotationStore
from napari_densify.core.blocks import Region
from napari_densify.core.labels import ClassTable
from napari_densify.project import Project

SHAPE = (4, 600, 600)
GRACE_S = 1.0
PAUSE_S = 0.002
CLASSES = ClassTable.from_values(range(1, 8))
TITLES = {
    "both": "all",
    "paint": "painting and saving",
    "engine": "painting while an engine trains and predicts",
}


@dataclass
class Ledger:
    """What the child said it would do, in order."""

    strokes: list[tuple[float, Region, int]] = field(default_factory=list)
    held_out: list[tuple[int, ...]] = field(default_factory=list)
    logged: list[int] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)


@dataclass
class Report:
    """Outcome of all kills."""

    kills: int = 0
    strokes: int = 0
    oldest_lost_s: float = 0.0
    during: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(
        self, ledger: Ledger, age: float, wrong: list[str], grace_s: float, *, during: str
    ) -> None:
        """Enter the outcome of one kill."""
        self.kills += 1
        self.during[during] += 1
        self.strokes += len(ledger.strokes)
        self.oldest_lost_s = max(self.oldest_lost_s, age)
        if age > grace_s:
            wrong = [*wrong, f"a stroke {age:.2f} s old is lost"]
        self.failures += [f"kill {self.kills} ({during}): {text}" for text in wrong]

    def join(self, other: Report) -> Report:
        """Sum of two runs."""
        return Report(
            self.kills + other.kills,
            self.strokes + other.strokes,
            max(self.oldest_lost_s, other.oldest_lost_s),
            self.during + other.during,
            self.failures + other.failures,
        )


def work(path: str, seed: int, say: Connection, rounds: bool = True) -> None:
    """Paint and save until killed (the child process); ``rounds`` that hold no model too."""
    rng = np.random.default_rng(seed)
    project = Project.open(path)
    painted = project.painted()
    count = 0
    while True:
        action = rng.random()
        count += 1
        if action < 0.96:
            region, value = stroke(rng)
            say.send(("stroke", time.monotonic(), region, value))
            painted[region] = value
        elif action < 0.97:
            say.send(("held_out", tuple(rng.choice(4, 2, replace=False).tolist())))
            project.set_held_out(range(4), held_out=False)
            project.set_held_out([count % 4])
        elif action < 0.98:
            say.send(("log", count))
            project.log("train", {"count": count})
        elif action < 0.99 and rounds:
            made = project.new_round()
            made.model.write_bytes(b"weights")
            say.send(("round", made.number))
        else:
            painted.close()
            painted = project.painted()
        time.sleep(PAUSE_S)


def stroke(rng: np.random.Generator) -> tuple[Region, int]:
    """Choose a rectangle, often across chunks; now and then it erases."""
    z, y, x = (int(rng.integers(0, n)) for n in (SHAPE[0], SHAPE[1] - 90, SHAPE[2] - 90))
    height, width = (int(n) for n in rng.integers(1, 90, 2))
    value = int(rng.integers(0, 8)) if rng.random() < 0.8 else 0
    return (slice(z, z + 1), slice(y, y + height), slice(x, x + width)), value


def kill_once(path: Path, seed: int, longest_s: float, context: Any) -> tuple[Ledger, float]:
    """Let a child work for a random time, kill it; what it said, and when it died."""
    hear, say = context.Pipe(duplex=False)
    child = context.Process(target=work, args=(str(path), seed, say))
    child.start()
    say.close()
    ledger = listen(hear, np.random.default_rng(seed).uniform(0.0, longest_s))
    killed = time.monotonic()
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    drain(hear, ledger)
    return ledger, killed


def listen(hear: Connection, seconds: float) -> Ledger:
    """Write down what a child says, for a time that begins with its first word."""
    ledger = Ledger()
    if not hear.poll(60):
        raise RuntimeError("the child never painted")
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if hear.poll(left):
            note(ledger, hear.recv())
    return ledger


def drain(hear: Connection, ledger: Ledger) -> None:
    """Write down what a dead child had said."""
    with suppress(EOFError, OSError):
        while True:
            note(ledger, hear.recv())


def note(ledger: Ledger, message: tuple[Any, ...]) -> None:
    """Enter a message of the child."""
    kind, *rest = message
    if kind == "stroke":
        ledger.strokes.append((rest[0], rest[1], rest[2]))
    elif kind == "held_out":
        ledger.held_out.append(rest[0])
    elif kind == "log":
        ledger.logged.append(rest[0])
    else:
        ledger.rounds.append(rest[0])


def check(path: Path, before: np.ndarray, ledger: Ledger, killed: float) -> tuple[list[str], float]:
    """Everything that is wrong with the project, and the age of the oldest lost stroke."""
    wrong = []
    # As a reader first: the engine may look before any viewer mends what was torn.
    reader = AnnotationStore(path / "annotations.zarr", read_only=True)
    reader.read(everything())
    with Project.open(path) as project:
        if project.read_only:
            wrong.append("the lock of the dead process still holds")
        painted = project.painted()
        labels = np.asarray(painted)
        if painted.counts() != project.annotations().counts():
            wrong.append("counts differ from what is on disk")
        if painted.store.damaged:
            wrong.append(f"damaged chunks: {painted.store.damaged}")
        painted.close()
        logged = {s["settings"].get("count") for s in project.history()}
        if set(ledger.logged[:-1]) - logged:
            wrong.append("history lost a step")
        if set(ledger.rounds) - {r.number for r in project.rounds()}:
            wrong.append("a round is missing")
    lost, age = missing(labels, before, ledger, killed)
    return wrong + lost, age


def everything() -> Region:
    """Whole volume."""
    return (slice(0, SHAPE[0]), slice(0, SHAPE[1]), slice(0, SHAPE[2]))


def missing(
    labels: np.ndarray, before: np.ndarray, ledger: Ledger, killed: float
) -> tuple[list[str], float]:
    """Chunks that are no state after any stroke, and strokes that are not on disk."""
    wrong, oldest = [], 0.0
    for z in range(SHAPE[0]):
        for y in range(0, SHAPE[1], 256):
            for x in range(0, SHAPE[2], 256):
                box = (z, slice(y, y + 256), slice(x, x + 256))
                age = age_of_loss(labels[box], before, box, ledger, killed)
                if age is None:
                    wrong.append(f"chunk {z}, {y}, {x} is in no state that it ever had")
                else:
                    oldest = max(oldest, age)
    return wrong, oldest


def age_of_loss(
    found: np.ndarray, before: np.ndarray, box: Any, ledger: Ledger, killed: float
) -> float | None:
    """Age of the first stroke that a chunk lacks; 0 if none, None if it is torn."""
    state = before.copy()[box[0]]
    first_missing: float | None = 0.0 if np.array_equal(state[box[1:]], found) else None
    lacks = None
    for moment, region, value in ledger.strokes:
        if region[0].start != box[0]:
            continue
        old = state[box[1:]].copy()
        state[region[1:]] = value
        if np.array_equal(old, state[box[1:]]):
            continue
        if np.array_equal(state[box[1:]], found):
            first_missing, lacks = 0.0, None
        elif lacks is None:
            lacks = moment
    if first_missing is None:
        return None
    return 0.0 if lacks is None else killed - lacks


def run(
    folder: Path,
    *,
    kills: int,
    seed: int = 0,
    longest_s: float = 2.5,
    grace_s: float = GRACE_S,
    until: float = math.inf,
) -> Report:
    """Kill one project again and again; it must survive every time.

    Parameters
    ----------
    folder
        Where the project is made.
    kills
        How often.
    longest_s
        Each child lives for a random time up to this.
    grace_s
        Strokes older than this must be on disk.
    until
        ``time.monotonic()`` after which no more are begun.
    """
    context = forkserver(["napari_densify.project"])
    path = folder / "kïlled project.densify"
    Project.create(path, shape=SHAPE, classes=CLASSES).close()
    report = Report()
    before = np.zeros(SHAPE, np.uint8)
    for number in range(kills):
        if time.monotonic() > until:
            break
        ledger, killed = kill_once(path, seed * 100_000 + number, longest_s, context)
        wrong, age = check(path, before, ledger, killed)
        before = AnnotationStore(path / "annotations.zarr", read_only=True).read(everything())
        report.add(ledger, age, wrong, grace_s, during="paint")
    return report


def forkserver(preload: list[str]) -> Any:
    """Return a context whose children start quickly, with these modules loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preload)
    return context


def in_parts(options: argparse.Namespace, what: str) -> Report:
    """Share the kills among processes, each with projects and random numbers of its own."""
    workers = options.workers
    shares = [options.kills // workers + (i < options.kills % workers) for i in range(workers)]
    parts = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.kill_project", "--what", what,
             "--kills", str(kills), "--seed", str(options.seed * workers + number),
             "--minutes", str(options.minutes)],
            stdout=subprocess.PIPE, text=True,
        )
        for number, kills in enumerate(shares)
    ]  # fmt: skip
    report = Report()
    for part in parts:
        found = json.loads(part.communicate()[0])
        report = report.join(Report(**found | {"during": Counter(found["during"])}))
    return report


def in_this_process(options: argparse.Namespace, what: str) -> Report:
    """Kill projects of one kind."""
    from benchmarks import kill_engine  # it imports this module

    act = kill_engine.run if what == "engine" else run
    until = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        return act(Path(folder), kills=options.kills, seed=options.seed, until=until)


def table(report: Report, wanted: int) -> str:
    """Markdown of an outcome."""
    during = ", ".join(f"{n} in {name}" for name, n in sorted(report.during.items()))
    rows = [
        ("kill -9", f"{report.kills} of {wanted} ({during})"),
        ("strokes painted meanwhile", f"{report.strokes:,}"),
        ("oldest stroke lost (s)", f"{report.oldest_lost_s:.2f}"),
        ("failures", str(len(report.failures))),
        *((f"failure {i}", text) for i, text in enumerate(report.failures, start=1)),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])


def main() -> None:
    """Print the outcome as one JSON object; exit 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--what", choices=("both", "paint", "engine"), default="both")
    parser.add_argument("--workers", type=int, default=1, help="so many at the same time")
    parser.add_argument("--minutes", type=float, default=60.0, help="no kill after that")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    report, wanted = Report(), options.kills
    whats = ("engine", "paint") if options.what == "both" else (options.what,)
    options.kills = -(-options.kills // len(whats))
    for what in whats:
        act = in_parts if options.workers > 1 else in_this_process
        report = report.join(act(options, what))
    print(json.dumps(report.__dict__))
    if options.write:
        command = f"python -m benchmarks.kill_project --kills {wanted} --what {options.what}"
        command += f" --workers {options.workers} --minutes {options.minutes:g} --write"
        write_section(
            f"Kills in random moments: {TITLES[options.what]}", command, table(report, wanted)
        )
    raise SystemExit(bool(report.failures))


if __name__ == "__main__":
    main()
