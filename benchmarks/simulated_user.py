"""Simulated users: how many painted slices each rule needs for the same held-out Dice.

A user paints strokes on one slice (placed by rule from the truth, classes in turn),
trains, and paints the next slice that the rule names. A fixed set of slices is never
painted and scored after every round. ``even`` paints n evenly spaced slices afresh for
each n, which no one who doesn't know n can do; ``halving`` is what can be done: always
the middle of the widest gap.

    python -m benchmarks.simulated_user [--data FOLDER] [--seeds 3] [--slices 10] [--write]
    python -m benchmarks.simulated_user --learner network --steps 60 --rules even suggested

The learner is a random forest on the product's features, or the product's network.
The table gives painted slices relative to ``even`` at the Dice that ``even`` reaches
with 2 slices and more; below 1 is better.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.learners import LEARNERS, Learner
from benchmarks.page import write_section
from benchmarks.scenarios import Labels, paint_plane, volumes
from benchmarks.slice_rules import RULES, Look, even_slices
from napari_densify.core.volume import Volume

TITLE = "Painted slices needed: suggested against evenly spaced"
_EDGE = 320


class Study:
    """One volume and seed: scene, slices that are only scored, Dice by number of slices."""

    def __init__(self, image: Volume, truth: Labels, learner: type[Learner], seed: int) -> None:
        y, x = (slice((n - min(n, _EDGE)) // 2, (n + min(n, _EDGE)) // 2) for n in truth.shape[1:])
        self.truth = truth[:, y, x]
        cut = Volume(image.read()[0][:, y, x], image.spacing, image.spacing_known, image.name)
        every = 3 if len(truth) <= 12 else 4
        self.scored = np.arange(1 + seed % (every - 1), len(truth), every)
        self.free = np.setdiff1d(np.arange(len(truth)), self.scored)
        self.learner = learner(cut, self.truth, self.scored, seed)
        self.spacing, self.seed = cut.spacing, seed

    def paint(self, planes: Sequence[tuple[int, int]]) -> Labels:
        """Strokes on planes (axis, index); the same plane always gets the same strokes."""
        paint = np.zeros_like(self.truth)
        for axis, index in planes:
            paint_plane(self.truth, paint, axis, index, seed=1000 * self.seed + 331 * axis + index)
        paint[self.scored] = 0
        return paint

    def even(self, most: int) -> list[float]:
        """Dice of 1, 2, ... evenly spaced slices."""
        return [self._learned([(0, z) for z in even_slices(self.free, n)])
                for n in range(1, most + 1)]  # fmt: skip

    def follow(self, rule: str, most: int) -> list[float]:
        """Dice after each round in which the rule named the next slice."""
        planes = [(0, z) for z in even_slices(self.free, 1)]
        found = [self._learned(planes)]
        random = np.random.default_rng(self.seed)
        while len(planes) < most:
            look = Look(self.learner, planes, self.free, self.spacing, random)
            planes.append(RULES[rule](look))
            found.append(self._learned(planes))
        return found

    def _learned(self, planes: Sequence[tuple[int, int]]) -> float:
        self.learner.learn(self.paint(planes))
        return self.learner.dice()


def needed(curve: Sequence[float], level: float) -> float:
    """Slices after which a curve reaches a level, between two rounds by interpolation."""
    best = np.asarray(curve)
    above = np.flatnonzero(best >= level)
    if not above.size:
        return len(curve) + 1.0
    n = int(above[0])
    if n == 0:
        return 1.0
    return n + (level - best[n - 1]) / (best[n] - best[n - 1])


def relative(curves: dict[str, list[float]], first: int = 2) -> dict[str, float]:
    """Slices of each rule over those of ``even``, averaged over the levels that it reaches.

    Dice is noisy: curves are made monotone first (isotonic regression).
    """
    smooth = {rule: _monotone(curve) for rule, curve in curves.items()}
    even = smooth["even"]
    levels = sorted({float(v) for v in even[first - 1 :]})
    whole = [needed(even, level) for level in levels]
    return {
        rule: float(np.mean([needed(curve, v) / n for n, v in zip(whole, levels, strict=True)]))
        for rule, curve in smooth.items()
    }


def _monotone(curve: Sequence[float]) -> list[float]:
    from sklearn.isotonic import isotonic_regression

    return [float(v) for v in isotonic_regression(curve)]


def table(results: dict[str, list[dict[str, list[float]]]]) -> str:
    """Markdown table: rules by volume, relative to even; then the mean."""
    rules = list(next(iter(results.values()))[0])
    rows = ["| rule | " + " | ".join(results) + " | mean |", "|---" * (len(results) + 2) + "|"]
    lines = []
    for rule in rules:
        cells = [relative(_averaged(runs))[rule] for runs in results.values()]
        mean = float(np.mean(cells))
        numbers = " | ".join(f"{c:.2f}" for c in (*cells, mean))
        lines.append((mean, f"| {rule} | {numbers} |"))
    best = [f"| Dice of {n} even slices | " + " | ".join(
        f"{_averaged(runs)['even'][n - 1]:.2f}" for runs in results.values()) + " | |"
        for n in (3, len(_averaged(next(iter(results.values())))["even"]))]  # fmt: skip
    told = [] if not {"suggested", "halving"} <= set(rules) else ["", _sequential(results)]
    return "\n".join([*rows, *(text for _, text in sorted(lines)), *best, *told])


def _sequential(results: dict[str, list[dict[str, list[float]]]]) -> str:
    """Compare with what can be done evenly without knowing the number of slices beforehand."""
    found = [relative(_averaged(runs)) for runs in results.values()]
    ratio = np.mean([row["suggested"] for row in found]) / np.mean(
        [row["halving"] for row in found]
    )
    runs = sum(len(rows) for rows in results.values())
    return (
        f"{runs} runs. `even` knows beforehand how many slices there will be; one slice after the "
        f"other, `halving` is the even one: `suggested` needs {ratio:.2f} of its slices."
    )


def read_kept(path: Path | None) -> dict[str, dict[int, dict[str, list[float]]]]:
    """Studies done before, by volume and seed: long runs are done piece by piece."""
    kept: dict[str, dict[int, dict[str, list[float]]]] = defaultdict(dict)
    if path is not None and path.exists():
        for line in path.read_text().splitlines():
            row = json.loads(line)
            kept[row["volume"]][row["seed"]] = row["curves"]
    return kept


def _averaged(runs: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Mean Dice over seeds, number of slices by number of slices."""
    return {rule: list(np.mean([run[rule] for run in runs], 0)) for rule in runs[0]}


def main() -> None:
    """Run the studies and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--volumes", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--learner", choices=list(LEARNERS), default="forest")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rules", nargs="*", default=["even", *RULES])
    parser.add_argument("--keep", type=Path, help="file to which each study is added, and read")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    learner = LEARNERS[options.learner]
    learner.steps = options.steps
    kept = read_kept(options.keep)
    for name, image, truth in volumes(options.data):
        if options.volumes is not None and name not in options.volumes:
            continue
        for seed in range(options.seeds):
            if seed in kept[name]:
                continue
            study = Study(image, truth, learner, seed)
            most = min(options.slices, len(study.free) - 1)
            curves = {"even": study.even(most)}
            curves |= {r: study.follow(r, most) for r in options.rules if r != "even"}
            kept[name][seed] = curves
            if options.keep:
                with options.keep.open("a") as stream:
                    row = {"volume": name, "seed": seed, "curves": curves}
                    stream.write(json.dumps(row) + "\n")
    results = {name: [runs[s] for s in sorted(runs)] for name, runs in kept.items() if runs}
    text = table(results)
    print(text)
    if options.write:
        words = [] if options.data is None else ["--data", "FOLDER"]
        words += ["--seeds", str(options.seeds), "--slices", str(options.slices)]
        command = f"python -m benchmarks.simulated_user {shlex.join(words)}"
        write_section(TITLE if options.learner == "forest" else f"{TITLE}, network", command, text)


if __name__ == "__main__":
    main()
