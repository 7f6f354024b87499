"""Held-out Dice of the network as the dock shows it, against the true Dice of unpainted slices.

    python -m benchmarks.gauge_network [--data FOLDER] [--seeds 2] [--share 0.01] [--write]

As ``benchmarks.gauge``, which has a forest learn and so affords hundreds of runs; here the
network learns, ``--steps`` steps, and what is scored goes through the product's own gauge:
``on paint`` is what the paint alone says, ``shown`` has the class frequencies told from the
strokes and the network's own calibrated expectation mixed in.
"""

from __future__ import annotations

import argparse
import json
import shlex
import time
from pathlib import Path

import numpy as np

from benchmarks.gauge import crop, error, paint_slices, told
from benchmarks.learners import Network
from benchmarks.page import write_section
from benchmarks.scenarios import Labels, volumes
from napari_densify.annotations import ArrayAnnotations
from napari_densify.training.gauge import score_paint

_CHECKED = 5  # unpainted slices that the truth is taken from


def trial(learner: Network, truth: Labels, held: int, seed: int, share: float) -> dict:
    """One user: paint, hold out, train, and compare."""
    random = np.random.default_rng(seed)
    slices, paint = paint_slices(truth, random, seed, share)
    held_out = slices[:held].tolist()
    training = paint.copy()
    training[held_out] = 0
    learner.learn(training)
    free = np.setdiff1d(np.arange(len(truth)), slices)
    checked = random.choice(free, min(_CHECKED, len(free)), replace=False).tolist()
    true = score_paint(learner.predictor, ArrayAnnotations(truth), checked)
    plain, shown = (
        score_paint(learner.predictor, ArrayAnnotations(paint), held_out, expects=expects)
        for expects in (False, True)
    )
    return {
        "held": held, "true": true.mean_dice, "plain": plain.mean_dice,
        "shown": shown.mean_dice, "interval": shown.interval,
    }  # fmt: skip


def table(rows: list[dict]) -> str:
    """Markdown table by volume and by number of held-out slices."""
    lines = [
        "| | runs | mean absolute error, shown | on paint | mean of shown - true | "
        "90 % interval holds the truth | its width |",
        "|---|---|---|---|---|---|---|",
    ]
    groups = {f"{n} held out": [r for r in rows if r["held"] == n] for n in (1, 2, 3)}
    groups |= {v: [r for r in rows if r["volume"] == v] for v in {r["volume"]: 0 for r in rows}}
    for name, some in (*groups.items(), ("**all**", rows)):
        if some:
            bias = float(np.mean([r["shown"] - r["true"] for r in some]))
            cells = [f"{error(some, 'shown'):.3f}", f"{error(some, 'plain'):.3f}", f"{bias:+.3f}"]
            lines.append(
                f"| {name} | {len(some)} | {' | '.join([*cells, *told(some, 'interval')])} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run the trials and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--volumes", nargs="*")
    parser.add_argument("--share", type=float, default=0.01, help="of a slice that is painted")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=30, help="no trial is begun after that")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    Network.steps = options.steps
    rows, end = [], time.monotonic() + 60 * options.minutes
    for name, image, truth in volumes(options.data):
        if options.volumes and name not in options.volumes:
            continue
        volume, labels = crop(image, truth)
        for seed in range(options.seeds):
            if time.monotonic() < end:
                learner = Network(volume, labels, np.arange(1), seed)
                row = trial(learner, labels, 1 + seed % 3, seed, options.share)
                rows.append({"volume": name, **row})
                print(json.dumps(rows[-1]), flush=True)
    text = table(rows)
    print(text)
    if options.write:
        words = [] if options.data is None else ["--data", "FOLDER"]
        words += ["--volumes", *options.volumes] if options.volumes else []
        words += ["--seeds", str(options.seeds), "--share", str(options.share)]
        words += ["--steps", str(options.steps), "--minutes", f"{options.minutes:g}"]
        title = f"Held-out Dice of the network against the truth, {options.share:.1%} painted"
        write_section(title, f"python -m benchmarks.gauge_network {shlex.join(words)}", text)


if __name__ == "__main__":
    main()
