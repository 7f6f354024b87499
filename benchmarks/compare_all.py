"""Every classical method on every volume at hand, and every number of the reports checked.

Each volume gets paint on a few whole slices (its own sparse labels, where it has some) and its
labels as truth. What the report says of each method must be what ``densify evaluate`` says of
the labels that were written.

    python -m benchmarks.compare_all [--data FOLDER] [--methods all] [--voxels 300000]
        [--tuning 2] [--limit 240] [--rows FILE] [--keep REPORTS] [--write] [NAME ...]

``--voxels`` crops larger volumes in the plane, ``--limit`` stops a volume after so many seconds
(methods that weren't reached have no figure), ``--rows`` keeps what is done: the same command
goes on from there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import busy, write_section
from benchmarks.scenarios import full_slices, slice_count
from napari_densify.core.control import JobControl
from napari_densify.core.events import Done
from napari_densify.core.requests import CompareRequest, EvaluateRequest, JobRequest
from napari_densify.data import sample_files, sample_names
from napari_densify.engine import run_job
from napari_densify.io import open_image, open_labels, write_labels, write_volume

TITLE = "Every method on every volume"


@dataclass(frozen=True)
class Place:
    """Files of one volume; ``paint`` is None where it is made from the truth."""

    name: str
    image: str
    truth: str
    paint: str | None = None


def places(folder: Path | None) -> Iterator[Place]:
    """Bundled volumes, then all ``*image.tif`` with ``*labels.tif`` beside them in sub-folders."""
    for name in sample_names():
        files = sample_files(name)
        yield Place(name, str(files.image), str(files.truth))
    for truth in sorted(folder.glob("*/*labels.tif")) if folder else []:
        image = truth.with_name(truth.name.replace("labels", "image"))
        sparse = truth.with_name("sparse_labels.tif")
        if image.exists() and truth != sparse:
            name = truth.parent.name + truth.name.removesuffix("labels.tif").rjust(1, "_").rstrip(
                "_"
            )
            paint = str(sparse) if sparse.exists() else None
            yield Place(name, str(image), str(truth), paint)


def result_of(request: JobRequest) -> dict[str, Any]:
    """Run a job as the command line does, and return what it ends with."""
    *_, last = run_job(request, JobControl())
    assert isinstance(last, Done)
    return last.result


def make_paint(place: Place, target: Path) -> str:
    """Write the paint of a volume: a few whole slices of the truth."""
    if place.paint:
        return place.paint
    truth = open_labels(place.truth).read_labels()
    paint = full_slices(truth, slice_count(len(truth)), 0)
    volume = open_image(place.image)
    write_labels(target, paint, spacing=volume.spacing, spacing_known=volume.spacing_known)
    return str(target)


def cropped(place: Place, most: int, folder: Path) -> Place:
    """Cut the middle out of a volume's planes, so that at most so many voxels are left."""
    volume, truth = open_image(place.image), open_labels(place.truth)
    depth, *plane = volume.shape
    if most <= 0 or depth * int(np.prod(plane)) <= most:
        return place
    side = int(np.sqrt(most / depth))
    starts = [max(0, (n - side) // 2) for n in plane]
    y, x = (slice(a, min(a + side, n)) for a, n in zip(starts, plane, strict=True))
    box = (slice(0, depth), y, x)
    facts = {"spacing": volume.spacing, "spacing_known": volume.spacing_known}
    files = {name: str(folder / f"{name}.tif") for name in ("image", "truth", "paint")}
    write_volume(files["image"], volume.read(box)[0], **facts)
    write_labels(files["truth"], truth.read_labels(box), **facts)
    if place.paint:
        paint = open_labels(place.paint).read_labels(box)
        if len(np.unique(paint)) > 2:
            write_labels(files["paint"], paint, **facts)
            return Place(place.name, files["image"], files["truth"], files["paint"])
    return Place(place.name, files["image"], files["truth"])


def within(request: JobRequest, seconds: float) -> dict[str, Any]:
    """Run a job and stop it after so many seconds; what it ends with then."""
    control, start = JobControl(), time.monotonic()
    result: dict[str, Any] = {}
    for event in run_job(request, control):
        control.stop = time.monotonic() - start > seconds
        if isinstance(event, Done):
            result = event.result
    return result


def wrong_numbers(place: Place, folder: Path) -> list[str]:
    """Names of methods whose scores differ from an evaluation of their written labels."""
    saved = json.loads((folder / "scores.json").read_text())
    wrong = []
    for entry in saved["entries"]:
        request = EvaluateRequest(
            prediction=str(folder / entry["labels"]),
            truth=place.truth,
            annotations=str(folder / "training.tif"),
        )
        again = result_of(request)
        if any(again[key] != value for key, value in entry["scores"].items()):
            wrong.append(entry["name"])
    return wrong


def compare_one(place: Place, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Compare on one volume; return time, rows and what does not add up."""
    folder.mkdir(parents=True, exist_ok=True)
    place = cropped(place, given.voxels, folder)
    paint = make_paint(place, folder / "made-paint.tif")
    start = time.perf_counter()
    request = CompareRequest(
        image=place.image,
        annotations=paint,
        truth=place.truth,
        methods=tuple(given.methods.split(",")),
        output=str(folder / "report"),
        tune_s=given.tuning,
    )
    result = within(request, given.limit)
    seconds = time.perf_counter() - start
    rows = result["rows"]
    return {
        "name": place.name,
        "shape": " x ".join(map(str, open_image(place.image).shape)),
        "seconds": seconds,
        "rows": rows,
        "failed": [row["method"] for row in rows if row["note"]],
        "wrong": wrong_numbers(place, folder / "report"),
    }


def table(done: Sequence[dict[str, Any]]) -> str:
    """Mean Dice of each method on each volume, as Markdown."""
    names = sorted(
        {row["method"] for one in done for row in one["rows"]},
        key=lambda name: -np.mean([_dice(one, name) or 0 for one in done]),
    )
    head = ["| method |", *(f" {one['name']} |" for one in done)]
    lines = ["".join(head), "|---|" + "---|" * len(done)]
    for name in names:
        cells = [_dice(one, name) for one in done]
        shown = [" – |" if c is None else f" {c:.3f} |" for c in cells]
        lines.append(f"| {name} |" + "".join(shown))
    lines.append("| *seconds in all* |" + "".join(f" {one['seconds']:.0f} |" for one in done))
    lines.append("| *voxels* |" + "".join(f" {one['shape']} |" for one in done))
    wrong = sum(len(one["wrong"]) for one in done)
    count = sum(len(one["rows"]) for one in done)
    failed = [f"{name} on {one['name']}" for one in done for name in one["failed"]]
    note = f"Of {count} rows in {len(done)} reports, {wrong} differ from `densify evaluate`. "
    note += f"Not possible: {', '.join(failed) or 'none'}. {busy()}"
    return "\n".join([*lines, "", f"Mean Dice over classes. {note}"])


def _dice(one: dict[str, Any], name: str) -> float | None:
    found = [row["mean Dice"] for row in one["rows"] if row["method"] == name]
    return found[0] if found else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare on all volumes, or on those named, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--methods", default="all")
    parser.add_argument("--voxels", type=int, default=0, help="Crop to so many; 0: never")
    parser.add_argument("--tuning", type=float, default=5.0, help="Seconds for each method")
    parser.add_argument("--limit", type=float, default=600.0, help="Seconds for each volume")
    parser.add_argument("--rows", type=Path, default=None, help="File that keeps what is done")
    parser.add_argument("--keep", type=Path, default=None, help="Folder for the reports")
    parser.add_argument("--write", action="store_true", help="Write to docs/benchmarks.md")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args(arguments)
    done = json.loads(given.rows.read_text()) if given.rows and given.rows.exists() else []
    with tempfile.TemporaryDirectory() as scratch:
        for place in places(given.data):
            wanted = not given.names or place.name in given.names
            if wanted and place.name not in [one["name"] for one in done]:
                done.append(compare_one(place, given, (given.keep or Path(scratch)) / place.name))
                if given.rows:
                    given.rows.write_text(json.dumps(done))
                shown = {k: v for k, v in done[-1].items() if k != "rows"}
                print(json.dumps(shown), flush=True)
                publish(done, given)
    print(table(done))


def publish(done: Sequence[dict[str, Any]], given: argparse.Namespace) -> None:
    """Write the section anew after each volume: an end by force then costs one volume."""
    if given.write:
        words = f"--data FOLDER --voxels {given.voxels} --tuning {given.tuning:g} --write"
        write_section(TITLE, f"python -m benchmarks.compare_all {words}", table(done))


if __name__ == "__main__":
    main()
