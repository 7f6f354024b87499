"""Quality for a given time: ours beside interpolation, forests, MONAI, nnU-Net, paper-3d.

    python -m benchmarks.quality --budget 120 --seeds 3 --data FOLDER --methods all --write
    python -m benchmarks.quality --data FOLDER --onto "a/train>a/test" "b@first>b@second"
    python -m benchmarks.quality --steps 150 --methods densify "densify:optimiser=adamw"

A method densify:name=value;name=value is ours with those settings: what a choice is worth.
All methods get the same files; ours are the commands that users have. FOLDER holds one
folder a volume (see ``benchmarks.scenarios``; 0 not scored, classes from 1). Only voxels
that nobody painted are scored. --rows FILE keeps every row as it comes: the same command
goes on after an interruption, and --write then makes the section of docs/benchmarks.md,
with the command, the date and the machine. MONAI and nnU-Net are optional
(pip install --group bench); what is missing is named and left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.methods import METHODS, find_method, prepare, why_not
from benchmarks.page import command, known_rows, write_section
from benchmarks.processes import densify
from benchmarks.scenarios import PAINT, Labelled, Scene, crop, find_volume, slice_count, volumes
from benchmarks.scores import mean_iou, score
from benchmarks.tables import all_tables
from benchmarks.tried import TRIED

__all__ = ["_densify", "mean_iou"]


def _densify(*words: str) -> tuple[list[dict], float]:
    """Events and peak memory in GB of a command that asks for --json itself."""
    done = densify(*(word for word in words if word != "--json"))
    return done.events, done.peak_gb


@dataclass(frozen=True)
class Case:
    """One line of the plan: what is painted how, what else is labelled, by which method."""

    volume: str
    second: str
    paint: str
    seed: int
    method: str


def scenes(options: argparse.Namespace) -> Iterator[tuple[Labelled, Labelled | None]]:
    """Yield the volumes, each with the one that its methods are also tried on, if any."""
    pairs = dict(text.split(">") for text in options.onto)
    names = options.volumes or ([] if pairs else [name for name, *_ in volumes(options.data)])
    for name in dict.fromkeys([*names, *pairs]):
        if name not in options.skip:
            first = crop(find_volume(name, options.data), options.crop)
            second = pairs.get(name)
            found = crop(find_volume(second, options.data), options.crop) if second else None
            yield first, found


def run(options: argparse.Namespace) -> list[dict]:
    """Measure every method on every scene; one row for each labelled volume."""
    rows = known_rows(options.rows)
    done = {Case(r["volume"], r["second"], r["paint"], r["seed"], r["method"]) for r in rows}
    for (name, image, truth), second in scenes(options):
        other = Scene(*second, np.zeros_like(second[2])) if second else None
        for rule in options.paint:
            for seed in range(options.seeds):
                paint = PAINT[rule](truth, slice_count(len(truth)), seed)
                scene = Scene(name, image, truth, paint, other)
                for method in options.methods:
                    case = Case(name, other.name if other else "", rule, seed, method)
                    if case not in done:
                        rows += _measure(scene, case, options)
    return rows


def _measure(scene: Scene, case: Case, options: argparse.Namespace) -> list[dict]:
    with prepare(scene, options.budget, options.steps or 0, case.seed) as job:
        answer = find_method(case.method)(job)
    known = {
        **vars(case), "seconds": round(answer.seconds, 1),
        "predict_seconds": round(answer.predict_seconds, 1), "steps": answer.steps,
        "peak_gb": round(answer.peak_gb, 2), "remark": answer.remark,
    }  # fmt: skip
    rows = []
    for labels, seen in zip(answer.labels, (scene, scene.second), strict=False):
        onto = "" if seen is scene else case.second
        rows.append(known | {"onto": onto, **score(labels, seen.truth, seen.paint)})
        text = json.dumps(rows[-1])
        print(text, flush=True)
        if options.rows:
            with options.rows.open("a") as file:
                file.write(text + "\n")
    return rows


def write(text: str, options: argparse.Namespace) -> None:
    """Put the tables into docs/benchmarks.md."""
    length = f"{options.steps} steps" if options.steps else f"{options.budget:g} s"
    note = (
        "Mean IoU over classes on voxels that nobody painted; "
        f"mean and deviation over {options.seeds} seed(s).\n\n"
    )
    title = options.title or f"Quality after {length}"
    write_section(title, command("quality"), note + text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of training")
    parser.add_argument("--steps", type=int, help="of ours, instead of the budget")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder with further volumes")
    parser.add_argument("--volumes", nargs="*", default=[], help="only these")
    parser.add_argument("--skip", nargs="*", default=[], help="not these")
    parser.add_argument("--onto", nargs="*", default=[], help="FIRST>SECOND: label SECOND too")
    parser.add_argument("--crop", type=int, help="at most so many pixels in Y and X")
    parser.add_argument("--paint", nargs="*", default=["slices"], choices=list(PAINT))
    usual = ["densify", "interpolation", "forest"]
    parser.add_argument("--methods", nargs="*", default=usual, help="or all, or tried")
    parser.add_argument("--rows", type=Path, help="keep rows here, and go on from them")
    parser.add_argument("--title", help="of the section")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    sets = {"all": list(METHODS), "tried": list(TRIED)}
    names = [name for word in options.methods for name in sets.get(word, [word])]
    for name in names:
        find_method(name)
        if reason := why_not(name):
            print(reason, file=sys.stderr)
    options.methods = [name for name in names if not why_not(name)]
    return options


def main() -> None:
    """Parse options, measure, print the tables."""
    options = _options()
    text = all_tables(run(options), options.methods)
    print(text)
    if options.write:
        write(text, options)


if __name__ == "__main__":
    main()
