"""How long a slider waits for its preview: first and last answer for each method.

The slice is a mosaic of the bundled FIB-SEM volume, with paint on two slices.

    python -m benchmarks.preview_latency [--size 1024] [--repeats 5] [METHOD ...]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.page import write_section
from napari_densify.classical import METHODS, preview_slice
from napari_densify.core.volume import Volume
from napari_densify.data import sample_files
from napari_densify.io import open_image, open_labels

TITLE = "From slider to preview"
_AT_ONCE = ("threshold", "local_threshold", "hysteresis")
_SOON = (
    *("watershed", "flood", "confidence_connected", "geodesic"),
    *("kmeans", "gaussian_mixture", "edges", "interpolation"),
)
TARGETS = {**dict.fromkeys(_AT_ONCE, ("last", 200)), **dict.fromkeys(_SOON, ("last", 1000))}
"""Which answer must be there in how many ms; of all others a first one within a second."""


def mosaic(size: int, depth: int = 41) -> tuple[Volume, np.ndarray]:
    """Bundled slices, mirrored until they fill ``size`` x ``size``; paint on two slices."""
    files = sample_files("fibsem")
    image = open_image(files.image).read()[0][:depth]
    truth = open_labels(files.truth).read_labels()[:depth]
    pad = [(0, 0), *((0, size - n) for n in image.shape[1:])]
    paint = np.zeros((depth, size, size), np.uint8)
    painted = [depth // 3, 2 * depth // 3]
    paint[painted] = np.pad(truth[painted], pad, mode="reflect")
    return Volume(np.pad(image, pad, mode="reflect"), files.spacing, True, "mosaic"), paint


def measure(name: str, volume: Volume, paint: np.ndarray, repeats: int) -> dict[str, float]:
    """Median milliseconds to the first and to the last answer; the first call is not counted."""
    first, last, busy = [], [], []
    memory: dict[Any, Any] = {}  # as the worker has
    for number in range(repeats + 1):
        # As when a slider is dragged: another value each time, so that nothing is remembered.
        parameters = {}
        if "sigma" in METHODS[name].settings.model_fields:
            parameters["sigma"] = 1.0 + 0.05 * number
        start, cpu = time.perf_counter(), time.process_time()
        answers = preview_slice(
            name,
            volume,
            volume.shape[0] // 2,
            annotations=paint,
            parameters=parameters,
            memory=memory,
        )
        next(answers)
        seen = time.perf_counter() - start
        for _ in answers:
            pass
        first.append(seen)
        last.append(time.perf_counter() - start)
        busy.append(time.process_time() - cpu)
    return {
        "first_ms": round(1000 * float(np.median(first[1:])), 1),
        "last_ms": round(1000 * float(np.median(last[1:])), 1),
        "cpu_ms": round(1000 * float(np.median(busy[1:])), 1),
    }


def table(rows: dict[str, dict[str, float]], size: int) -> str:
    """Medians as Markdown, beside what they should be."""
    lines = [
        "| method | first answer (ms) | last answer (ms) | should be (ms) |",
        "|---|---|---|---|",
    ]
    for name, row in rows.items():
        which, target = TARGETS.get(name, ("first", 1000))
        lines.append(
            f"| {name} | {row['first_ms']:.0f} | {row['last_ms']:.0f} | {which} < {target} |"
        )
    about = f"A slice of {size} x {size} in an isotropic stack of 41, paint on two slices; medians."
    return "\n".join([*lines, "", about])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="Write to docs/benchmarks.md")
    parser.add_argument("methods", nargs="*", default=list(METHODS))
    given = parser.parse_args(arguments)
    volume, paint = mosaic(given.size)
    rows = {}
    for name in given.methods:
        rows[name] = measure(name, volume, paint, given.repeats)
        print(json.dumps({name: rows[name]}), flush=True)
    text = table(rows, given.size)
    print(text)
    if given.write:
        words = f"python -m benchmarks.preview_latency --repeats {given.repeats} --write"
        write_section(TITLE, words, text)


if __name__ == "__main__":
    main()
