"""How long a slider waits for its preview: first and last answer for each method.

The slice is a mosaic of the bundled FIB-SEM volume, with paint on two slices.

    python -m benchmarks.preview_latency [--size 1024] [--repeats 5] [METHOD ...]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import numpy as np

from napari_densify.classical import METHODS, preview_slice
from napari_densify.core.volume import Volume
from napari_densify.data import sample_files
from napari_densify.io import open_image, open_labels


def mosaic(size: int, depth: int = 9) -> tuple[Volume, np.ndarray]:
    """Bundled slices, mirrored until they fill ``size`` x ``size``; paint on slices 2 and 6."""
    files = sample_files("fibsem")
    image = open_image(files.image).read()[0][:depth]
    truth = open_labels(files.truth).read_labels()[:depth]
    pad = [(0, 0), *((0, size - n) for n in image.shape[1:])]
    paint = np.zeros((depth, size, size), np.uint8)
    paint[[2, 6]] = np.pad(truth, pad, mode="reflect")[[2, 6]]
    return Volume(np.pad(image, pad, mode="reflect"), files.spacing, True, "mosaic"), paint


def measure(name: str, volume: Volume, paint: np.ndarray, repeats: int) -> dict[str, float]:
    """Median milliseconds to the first and to the last answer; the first call is not counted."""
    first, last, busy = [], [], []
    for number in range(repeats + 1):
        # As when a slider is dragged: another value each time, so that nothing is remembered.
        parameters = {}
        if "sigma" in METHODS[name].settings.model_fields:
            parameters["sigma"] = 1.0 + 0.05 * number
        start, cpu = time.perf_counter(), time.process_time()
        answers = preview_slice(name, volume, 4, annotations=paint, parameters=parameters)
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("methods", nargs="*", default=list(METHODS))
    given = parser.parse_args(arguments)
    volume, paint = mosaic(given.size)
    rows = {name: measure(name, volume, paint, given.repeats) for name in given.methods}
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
