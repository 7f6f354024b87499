"""Held-out Dice as the dock shows it against the true Dice of all unpainted slices.

Strokes are placed by rule from the truth on a few slices; some of these are held out,
a random forest learns from the others. What the held-out strokes say is compared with
the Dice on every voxel of the slices that nobody painted. With ``--share 1`` held-out
(and training) slices are painted as a whole: what then is left of the error is that of
a few slices that stand for all.

The interval is told twice: as the program shows it, and with its belief about slices
chosen on the other volumes only (the smallest deviation that holds the truth in nine of
ten of their runs), so that no volume has a say in its own interval.

    python -m benchmarks.gauge [--data FOLDER] [--seeds 9] [--share 0.01] [--minutes 7] [--write]
"""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.learners import Forest
from benchmarks.page import write_section
from benchmarks.scenarios import Labels, paint_plane, volumes
from napari_densify.core.volume import Volume
from napari_densify.evaluation.confusion import Rates
from napari_densify.evaluation.held_out import TILE, dice_interval, reweigh

TITLE = "Held-out Dice against the truth, {share:.1%} of a slice painted"
_EDGE = 320
_PAINTED = 6
_LOOKED_AT = 15_000
# Deviations between slices of one volume that the calibration chooses from.
_DEVIATIONS = tuple(round(0.02 * n, 2) for n in range(1, 16))
_SURE = 0.9

Row = dict[str, Any]


def crop(image: Volume, truth: Labels) -> tuple[Volume, Labels]:
    """Middle of a large volume."""
    y, x = (slice((n - min(n, _EDGE)) // 2, (n + min(n, _EDGE)) // 2) for n in truth.shape[1:])
    voxels = image.read()[0][:, y, x]
    return Volume(voxels, image.spacing, image.spacing_known, image.name), truth[:, y, x]


def paint_slices(
    truth: Labels, random: np.random.Generator, seed: int, share: float
) -> tuple[np.ndarray, Labels]:
    """Numbers of some slices, and paint on ``share`` of each; on all of it for 1."""
    slices = random.choice(len(truth), min(_PAINTED, len(truth) - 2), replace=False)
    paint = np.zeros_like(truth)
    for z in slices.tolist():
        if share == 1:
            paint[z] = truth[z]
        else:
            paint_plane(truth, paint, 0, z, seed=1000 * seed + z, share=share)
    return slices, paint


def trial(learner: Forest, truth: Labels, held: int, seed: int, share: float) -> Row:
    """One user: paint, hold out, learn, and compare."""
    random = np.random.default_rng(seed)
    slices, paint = paint_slices(truth, random, seed, share)
    held_out = slices[:held]
    training = paint.copy()
    training[held_out] = 0
    learner.learn(training)
    tiles: dict[int, list[np.ndarray]] = defaultdict(list)
    found = np.zeros(len(learner.classes), np.int64)
    believed = np.zeros((len(found), len(found) + 1))
    for z in held_out:
        looked_at = random.choice(truth[z].size, min(truth[z].size, _LOOKED_AT), replace=False)
        answers = predict(learner, int(z), looked_at)
        believed += expected_pairs(learner, int(z), looked_at)
        found += np.bincount(np.searchsorted(learner.classes, answers), minlength=len(found))
        places = np.flatnonzero(paint[z])
        answers = predict(learner, int(z), places)
        y, x = np.divmod(places, truth.shape[2])
        number = (y // TILE) * 1000 + x // TILE
        for tile in np.unique(number):
            inside = number == tile
            tiles[int(z)].append(count_pairs(learner, paint[z].ravel()[places[inside]],
                                             answers[inside]))  # fmt: skip
    total = np.sum([t for row in tiles.values() for t in row], 0)
    shown, plain = Rates(reweigh(total, found)).mean_dice, Rates(total).mean_dice
    intervals = {str(d): dice_interval(list(tiles.values()), shown, d) for d in _DEVIATIONS}
    interval = dice_interval(list(tiles.values()), shown)
    rest = np.setdiff1d(np.arange(len(truth)), slices)
    picks = random.choice(len(rest) * truth[0].size, _LOOKED_AT * 2)
    places = rest[picks // truth[0].size] * truth[0].size + picks % truth[0].size
    answers = learner.model.predict(learner._rows(learner.bank, places))
    true = Rates(count_pairs(learner, truth.ravel()[places], answers)).mean_dice
    return {
        "held": held, "shown": shown, "plain": plain, "true": true,
        "believed": Rates(np.rint(believed).astype(np.int64)).mean_dice,
        "interval": interval, "intervals": intervals,
    }  # fmt: skip


def predict(learner: Forest, z: int, places: np.ndarray) -> np.ndarray:
    """Labels of some voxels of a slice."""
    size = learner.shape[1] * learner.shape[2]
    return learner.model.predict(learner._rows(learner.bank, z * size + places))


def expected_pairs(learner: Forest, z: int, places: np.ndarray) -> np.ndarray:
    """Confusion ``(K, K + 1)`` that the forest itself expects: no truth is asked."""
    size = learner.shape[1] * learner.shape[2]
    shares = learner.model.predict_proba(learner._rows(learner.bank, z * size + places))
    known = np.searchsorted(learner.classes, learner.model.classes_)
    out = np.zeros((len(learner.classes), len(learner.classes) + 1))
    np.add.at(out.T, known[shares.argmax(1)], _spread(shares, known, len(out)))
    return out


def _spread(shares: np.ndarray, known: np.ndarray, classes: int) -> np.ndarray:
    full = np.zeros((len(shares), classes))
    full[:, known] = shares
    return full


def count_pairs(learner: Forest, truth: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Confusion ``(K, K + 1)``."""
    k = len(learner.classes)
    known = truth > 0
    pairs = np.searchsorted(learner.classes, truth[known]) * (k + 1)
    pairs = pairs + np.searchsorted(learner.classes, answers[known])
    return np.bincount(pairs, minlength=k * (k + 1)).reshape(k, k + 1)


def holds(interval: Any, true: float) -> bool:
    """Whether an interval holds the truth."""
    return bool(interval[0] <= true <= interval[1])


def chosen_deviation(rows: list[Row]) -> float:
    """Smallest belief whose intervals hold the truth in nine of ten of these runs."""
    told = [r for r in rows if r["interval"]]
    for deviation in _DEVIATIONS:
        inside = [holds(r["intervals"][str(deviation)], r["true"]) for r in told]
        if np.mean(inside) >= _SURE:
            return deviation
    return _DEVIATIONS[-1]


def calibrate(rows: list[Row]) -> None:
    """Give each run the interval that the other volumes' runs would have chosen."""
    for volume in {r["volume"] for r in rows}:
        deviation = chosen_deviation([r for r in rows if r["volume"] != volume] or rows)
        for row in rows:
            if row["volume"] == volume:
                row["calibrated"] = row["intervals"][str(deviation)]


def table(rows: list[Row]) -> str:
    """Markdown table by volume and by number of held-out slices."""
    calibrate(rows)
    lines = [
        "| | runs | mean absolute error | without reweighing | what the forest itself expects | "
        "90 % interval holds the truth | its width | calibrated on other volumes | its width |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    groups = [(f"{n} held out", [r for r in rows if r["held"] == n])
              for n in sorted({r["held"] for r in rows})]  # fmt: skip
    groups += [(v, [r for r in rows if r["volume"] == v])
               for v in dict.fromkeys(r["volume"] for r in rows)]  # fmt: skip
    for name, some in [*groups, ("**all**", rows)]:
        cells = [f"{error(some, key):.3f}" for key in ("shown", "plain", "believed")]
        cells += [cell for key in ("interval", "calibrated") for cell in told(some, key)]
        lines.append(f"| {name} | {len(some)} | {' | '.join(cells)} |")
    untold = sum(r["interval"] is None for r in rows)
    return "\n".join(
        [*lines, "", f"In {untold} of {len(rows)} runs the paint was too little to tell. Over all "
         f"volumes the calibration chooses a deviation of {chosen_deviation(rows)} between "
         "slices of one volume."]
    )  # fmt: skip


def error(rows: list[Row], key: str) -> float:
    """Mean absolute error of an estimate."""
    return float(np.mean([abs(r[key] - r["true"]) for r in rows]))


def told(rows: list[Row], key: str) -> tuple[str, str]:
    """Share of intervals that hold the truth, and their mean width."""
    some = [r for r in rows if r[key]]
    if not some:
        return "", ""
    share = np.mean([holds(r[key], r["true"]) for r in some])
    return f"{share:.0%}", f"{np.mean([r[key][1] - r[key][0] for r in some]):.2f}"


def main() -> None:
    """Run the trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--volumes", nargs="*")
    parser.add_argument("--share", type=float, default=0.01, help="of a slice that is painted")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=30, help="no trial is begun after that")
    parser.add_argument("--keep", type=Path, help="file to which each trial is added, and read")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows, end = [], time.monotonic() + 60 * options.minutes
    if options.keep and options.keep.exists():
        rows = [json.loads(line) for line in options.keep.read_text().splitlines()]
    done = {r["volume"] for r in rows}
    for name, image, truth in volumes(options.data):
        if (
            name in done
            or time.monotonic() > end
            or (options.volumes is not None and name not in options.volumes)
        ):
            continue
        volume, labels = crop(image, truth)
        learner = Forest(volume, labels, np.arange(1), 0)
        for seed in range(options.seeds):
            if time.monotonic() > end:
                break
            learner.seed = seed
            rows.append(
                {"volume": name, **trial(learner, labels, 1 + seed % 3, seed, options.share)}
            )
            if options.keep:
                with options.keep.open("a") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
    text = table(rows)
    print(text)
    if options.write:
        words = [] if options.data is None else ["--data", "FOLDER"]
        words += ["--seeds", str(options.seeds), "--share", str(options.share)]
        command = f"python -m benchmarks.gauge {shlex.join(words)}"
        write_section(TITLE.format(share=options.share), command, text)


if __name__ == "__main__":
    main()
