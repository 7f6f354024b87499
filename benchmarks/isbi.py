"""Presets side by side on real volumes: the same paint, seed and budget for all.

    python -m benchmarks.isbi --data FOLDER --budget 60 --rows rows.jsonl --write

2D presets on the ISBI 2012 stack (membranes; 3 and 15 of 30 slices painted) and on sandstone
slices, 3D presets on nuclei and on FIB-SEM. FOLDER holds one folder a volume, with image.tif
and labels.tif (0 not scored, classes from 1). Slices that were painted are not scored. Of
the others the --slices in the middle are predicted and scored: the networks of the papers are
slow without a GPU. Rows are added to the file --rows and not measured again, so a table may
be measured in several sittings, all on one machine; after --deadline seconds no row is begun.
A training that fails is a row too, without scores.
--width narrows every preset to so many channels on its finest level: then a preset is not
that of its paper, and the table says so.
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
import torch

from benchmarks.page import command, known_rows, write_section
from benchmarks.quality import _densify
from benchmarks.scenarios import Scene, full_slices
from napari_densify.core.model_file import read_spec
from napari_densify.data import sample_files
from napari_densify.evaluation import score_boundary_map, score_labels
from napari_densify.inference.device import autocast_dtype
from napari_densify.io import open_image, open_labels, write_labels

PLANAR = ("paper-2d", "paper-2.5d", "membrane", "polyp", "retina", "brain-tumour", "attention",
          "fcn")  # fmt: skip
SPATIAL = ("paper-3d", "sandstone", "vnet", "residual", "deep-supervised", "anisotropic")
COLUMNS = ("pixel_error", "rand_error", "v_rand", "v_info", "dice")


@dataclass(frozen=True)
class Task:
    """A volume, how much of it is painted, which presets try it, which class is boundary."""

    volume: str
    painted: int
    presets: tuple[str, ...]
    boundary: int | None = None


TASKS = (
    Task("isbi2012_sstem", 3, PLANAR, 1),
    Task("isbi2012_sstem", 15, PLANAR, 1),
    Task("sandstone_xct_slices", 2, PLANAR),
    Task("nuclei", 5, SPATIAL),
    Task("fibsem", 3, SPATIAL, 1),
)


def scene(task: Task, data: Path | None, seed: int) -> Scene:
    """Open a volume of the package or of the folder, and paint whole slices of it."""
    if data is not None and (data / task.volume).is_dir():
        image, labels = data / task.volume / "image.tif", data / task.volume / "labels.tif"
    else:
        files = sample_files(task.volume)
        image, labels = files.image, files.truth
    truth = open_labels(labels).read_labels()
    paint = full_slices(truth, task.painted, seed)
    return Scene(task.volume, open_image(image), truth, paint)


def measure(task: Task, preset: str, options: argparse.Namespace) -> dict:
    """Train, predict and score one preset."""
    found = scene(task, options.data, options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [str(folder / n) for n in ("image.tif", "paint.tif", "model.safetensors")]
        known = {"spacing": found.image.spacing, "spacing_known": found.image.spacing_known}
        write_labels(files[0], found.image.read()[0], **known)
        write_labels(files[1], found.paint, **known)
        began = time.monotonic()
        _, peak = _densify(
            "train", files[0], "--annotations", files[1], "-o", files[2], "--preset", preset,
            "--budget", f"{options.budget:g}s", "--seed", str(options.seed), "--json",
            "--device", options.device, *_sets(preset, options),
        )  # fmt: skip
        seconds = time.monotonic() - began
        scores = _scored(task, found, folder, files, options)
        record = read_spec(files[2]).training
    return {
        **_key(task, preset, options), **scores, "steps": record["steps"],
        "precision": precision(record["plan"]), "train_s": round(seconds, 1),
        "peak_gb": round(peak, 2),
    }  # fmt: skip


def measured(task: Task, preset: str, options: argparse.Namespace) -> dict:
    """Measure one preset; what went wrong is part of the result."""
    try:
        return measure(task, preset, options)
    except RuntimeError as error:
        return {**_key(task, preset, options), "failed": str(error).splitlines()[-1]}


def precision(plan: dict) -> str:
    """Say in which precision a training of this machine ran."""
    dtype = autocast_dtype(torch.device(plan["device"]), plan["precision"], training=True)
    return str(dtype or torch.float32).removeprefix("torch.")


def _sets(preset: str, options: argparse.Namespace) -> list[str]:
    sets = list(options.set)
    if options.width and preset not in ("auto", "fast"):
        sets.append(f"base_channels={options.width}")
    return ["--set", *sets] if sets else []


def _scored(
    task: Task, found: Scene, folder: Path, files: list[str], options: argparse.Namespace
) -> dict:
    """Predict, and score what was not painted."""
    out, maps = folder / "out.tif", folder / "p.zarr"
    free = scored_slices(found.paint, options.slices)
    depth, height, width = found.truth.shape
    first, last = (int(free[0]), int(free[-1])) if options.slices else (0, depth - 1)
    began = time.monotonic()
    _densify(
        "predict", files[0], "--model", files[2], "-o", str(out), "--probabilities", str(maps),
        "--json", "--device", options.device,
        "--region", f"{first}:{last + 1},0:{height},0:{width}",
    )  # fmt: skip
    seconds = time.monotonic() - began
    values = read_spec(files[2]).classes.values
    labels, table = open_labels(out).read_labels(), open_image(maps).read()
    row = overlap(labels[free], found.truth[free])
    if task.boundary:
        membrane = table[values.index(task.boundary), free] / 255
        row |= boundary(membrane, found.truth[free] == task.boundary)
    return {**row, "predict_s": round(seconds, 1)}


def scored_slices(paint: np.ndarray, count: int) -> np.ndarray:
    """Unpainted slices: ``count`` of them in the middle, or all for 0."""
    free = np.flatnonzero(~paint.any((1, 2)))
    if not count or count >= len(free):
        return free
    start = (len(free) - count) // 2
    return free[start : start + count]


def overlap(labels: np.ndarray, truth: np.ndarray) -> dict:
    """Pixel error, adapted Rand error of the planes' segments, mean Dice over classes."""
    known = truth > 0
    scores = score_labels(labels, truth)
    return {
        "pixel_error": round(float((labels != truth)[known].mean()), 4),
        "rand_error": round(float(scores.rand_error), 4),
        "dice": round(float(scores.mean_dice), 4),
    }


def boundary(probability: np.ndarray, truth: np.ndarray) -> dict:
    """V_rand and V_info of the probability of boundary, as in the challenge."""
    scores = score_boundary_map(probability, truth)
    return {"v_rand": round(scores.v_rand, 4), "v_info": round(scores.v_info, 4)}


def _key(task: Task, preset: str, options: argparse.Namespace) -> dict:
    return {
        "volume": task.volume, "painted": task.painted, "preset": preset, "seed": options.seed,
        "budget": options.budget, "width": options.width or 0, "set": options.set,
        "slices": options.slices,
    }  # fmt: skip


def run(options: argparse.Namespace, known: list[dict]) -> Iterator[dict]:
    """Measure what is asked for and not in ``known``; every row is kept at once."""
    began = time.monotonic()
    for task in TASKS:
        if options.volumes and task.volume not in options.volumes:
            continue
        if options.painted and task.painted not in options.painted:
            continue
        for preset in options.presets or ("auto", *task.presets):
            if preset not in ("auto", *task.presets):
                continue
            key = _key(task, preset, options)
            if any(key.items() <= row.items() for row in known):
                continue
            if options.deadline and time.monotonic() - began > options.deadline:
                return
            row = measured(task, preset, options)
            print(json.dumps(row), flush=True)
            if options.rows:
                with options.rows.open("a") as stream:
                    stream.write(json.dumps(row) + "\n")
            yield row


def table(rows: list[dict]) -> str:
    """One line a preset, best Dice first, volume by volume."""
    head = ("volume", "slices painted", "preset", "Dice", "pixel error", "Rand error", "V_rand",
            "V_info", "precision", "steps", "train", "predict")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for task in TASKS:
        got = [r for r in rows if (r["volume"], r["painted"]) == (task.volume, task.painted)]
        for row in sorted(got, key=lambda r: -r.get("dice", -1)):
            if "failed" in row:
                cells = (row["volume"], row["painted"], row["preset"], f"failed: {row['failed']}")
                lines.append("| " + " | ".join(map(str, (*cells, *[""] * 8))) + " |")
                continue
            scores = (_number(row.get(n)) for n in (COLUMNS[4], *COLUMNS[:4]))
            times = (f"{row['train_s']:.0f} s", f"{row['predict_s']:.0f} s")
            cells = (
                row["volume"], row["painted"], row["preset"], *scores, row.get("precision", ""),
                row["steps"], *times,
            )  # fmt: skip
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def main() -> None:
    """Parse options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with the volumes")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of each training")
    parser.add_argument("--width", type=int, help="channels of the finest level; default: all")
    parser.add_argument("--volumes", nargs="*", help="only these")
    parser.add_argument("--painted", nargs="*", type=int, help="only so many slices painted")
    parser.add_argument("--presets", nargs="*", help="only these")
    parser.add_argument("--set", nargs="*", default=[], help="settings of every training")
    parser.add_argument("--slices", type=int, default=0, help="scored at most; 0: all unpainted")
    parser.add_argument("--deadline", type=float, help="seconds after which no row is begun")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, help="file of rows measured before, added to")
    parser.add_argument("--title", default="Presets", help="of the section")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    known = known_rows(options.rows)
    rows = [*known, *run(options, known)]
    text = table(rows)
    print(text)
    if options.write:
        _write(text, options)


def _write(text: str, options: argparse.Namespace) -> None:
    width = f", {options.width} channels on the finest level" if options.width else ""
    note = (
        f"The same {options.budget:g} s and seed {options.seed} for all{width}; Dice is the mean "
        f"over classes, and only slices that were not painted are scored{_which(options)}.\n\n"
    )
    said = command("isbi", without=("--deadline",))
    write_section(options.title, said, note + text)


def _which(options: argparse.Namespace) -> str:
    return f", {options.slices} in the middle of them" if options.slices else ""


if __name__ == "__main__":
    main()
