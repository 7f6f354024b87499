"""Fine-tuning on a second volume, in a quarter of the steps that scratch takes.

    python -m benchmarks.fine_tuning --pair gala_fib/train gala_fib/test --data FOLDER --write
    python -m benchmarks.fine_tuning --pair nuclei@first nuclei@second --data FOLDER

Volumes are those of ``benchmarks.scenarios``, halves of one too. Where one of the two knows
fewer classes, the further ones of the other count as its last. A model is trained on some
whole slices of the first volume; then on the second, few slices painted, three trainings are
compared: from scratch, from scratch in a quarter of the steps, and from the first model in a
quarter of the steps. Steps, not seconds, so that figures do not depend on what else the
machine does: a step costs the same in all three.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.page import command, known_rows, write_section
from benchmarks.quality import _densify, mean_iou
from benchmarks.scenarios import Scene, find_volume, full_slices, slice_count
from napari_densify.io import open_labels, write_labels

WAYS = ("scratch", "scratch, quarter", "fine-tuned, quarter")


@dataclass(frozen=True)
class Wishes:
    """How each training is run."""

    steps: int
    seed: int
    sets: tuple[str, ...]
    tuning: tuple[str, ...]


def scenes(names: tuple[str, str], data: Path | None, seed: int) -> tuple[Scene, Scene]:
    """Two painted volumes with the same classes."""
    opened = [find_volume(name, data) for name in names]
    shared = min(int(labels.max()) for _, _, labels in opened)
    rows = []
    for (name, image, labels), more in zip(opened, (2, 1), strict=True):
        truth = np.minimum(labels, shared)
        paint = full_slices(truth, more * slice_count(len(truth)), seed)
        rows.append(Scene(name.replace("/", "-"), image, truth, paint))
    return rows[0], rows[1]


def train(scene: Scene, folder: Path, name: str, wishes: Wishes, *more: str) -> float:
    """Train through the command line; return the seconds that it took."""
    model = folder / f"{name}.safetensors"
    paint = folder / f"{scene.name}-paint.tif"
    image = folder / f"{scene.name}-image.tif"
    known = {"spacing": scene.image.spacing, "spacing_known": scene.image.spacing_known}
    write_labels(image, scene.image.read()[0], **known)
    write_labels(paint, scene.paint, **known)
    began = time.monotonic()
    _densify(
        "train", str(image), "--annotations", str(paint), "-o", str(model), "--steps",
        str(wishes.steps), "--seed", str(wishes.seed), "--json",
        *(word for wish in wishes.sets for word in ("--set", wish)), *more,
    )  # fmt: skip
    return time.monotonic() - began


def score(scene: Scene, folder: Path, name: str) -> float:
    """Predict with a model and score what was not painted."""
    image, model = folder / f"{scene.name}-image.tif", folder / f"{name}.safetensors"
    out = folder / f"{name}.tif"
    _densify("predict", str(image), "--model", str(model), "-o", str(out), "--json")
    return mean_iou(open_labels(out).read_labels(), scene)


def measure(first: Scene, second: Scene, wishes: Wishes) -> Iterator[dict]:
    """One row a way of training on the second volume."""
    quarter = Wishes(wishes.steps // 4, wishes.seed, wishes.sets, wishes.tuning)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(first, folder, "first", wishes)
        init = ["--init", str(folder / "first.safetensors")]
        init += [word for wish in wishes.tuning for word in ("--set", wish)]
        for way, run, more in zip(WAYS, (wishes, quarter, quarter), ([], [], init), strict=True):
            seconds = train(second, folder, "second", run, *more)
            row = {
                "pair": name_of(first, second), "seed": wishes.seed, "way": way,
                "steps": run.steps, "iou": round(score(second, folder, "second"), 4),
                "seconds": round(seconds, 1),
            }  # fmt: skip
            print(json.dumps(row), flush=True)
            yield row


def run(options: argparse.Namespace) -> Iterator[dict]:
    """Rows of the pairs that were measured before, and of the others."""
    began = time.monotonic()
    known = known_rows(options.rows)
    for first, second in options.pair:
        for seed in range(options.seeds):
            wishes = Wishes(options.steps, seed, tuple(options.set), tuple(options.tuning))
            two = scenes((first, second), options.data, seed)
            key = {"pair": name_of(*two), "seed": seed}
            before = [row for row in known if key.items() <= row.items()]
            late = options.deadline and time.monotonic() - began > options.deadline
            rows = before or ([] if late else list(measure(*two, wishes)))
            if options.rows and not before:
                with options.rows.open("a") as stream:
                    stream.writelines(json.dumps(row) + "\n" for row in rows)
            yield from rows


def name_of(first: Scene, second: Scene) -> str:
    """Name a pair in rows and table."""
    return f"{first.name} → {second.name}"


def table(rows: list[dict]) -> str:
    """Mean IoU of each way, a line a pair, and whether fine-tuning got there."""
    lines = [f"| pair | {' | '.join(WAYS)} | reached |", "|---|" + "---|" * (len(WAYS) + 1)]
    for pair in dict.fromkeys(row["pair"] for row in rows):
        cells, means = [], []
        for way in WAYS:
            got = [r for r in rows if r["pair"] == pair and r["way"] == way]
            ious = [r["iou"] for r in got]
            means.append(float(np.mean(ious)))
            spread = f" ± {np.std(ious):.3f}" if len(ious) > 1 else ""
            seconds = np.mean([r["seconds"] for r in got])
            cells.append(f"{means[-1]:.3f}{spread} ({got[0]['steps']} steps, {seconds:.0f} s)")
        reached = "yes" if means[2] >= means[0] else f"short by {means[0] - means[2]:.3f}"
        lines.append(f"| {pair} | {' | '.join(cells)} | {reached} |")
    return "\n".join(lines)


def main() -> None:
    """Parse options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with the volumes")
    parser.add_argument("--pair", nargs=2, action="append", required=True, metavar="VOLUME")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], help="settings of every training")
    parser.add_argument("--tuning", nargs="*", default=[], help="settings of the fine-tuning")
    parser.add_argument("--rows", type=Path, help="file of pairs measured before, added to")
    parser.add_argument("--deadline", type=float, help="seconds after which no pair is begun")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    rows = list(run(options))
    text = table(rows)
    print(text)
    if options.write:
        _write(text, options)


def _write(text: str, options: argparse.Namespace) -> None:
    note = (
        "Mean IoU over classes on voxels that nobody painted, over "
        f"{options.seeds} seed(s). Seconds are those of the whole command, reading and starting "
        "included, which a quarter of the steps does not shorten. Differences under about 0.05 "
        "from one seed are noise.\n\n"
    )
    write_section("Fine-tuning", command("fine_tuning"), note + text)


if __name__ == "__main__":
    main()
