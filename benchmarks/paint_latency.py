"""How long a dab takes in a Labels layer: numpy, PaintedArray, zarr.

Paints lines of dabs with the layer's own ``paint`` on a shown canvas, every dab on
another place, a slice change after each line, while the background writer saves.

    xvfb-run -a python -m benchmarks.paint_latency
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_densify.annotations import AnnotationStore, PaintedArray

BRUSH = 20
LINES, DABS = 20, 25


def make(kind: str, shape: tuple[int, int, int], folder: Path) -> Any:
    if kind == "numpy":
        return np.zeros(shape, np.uint8)
    store = AnnotationStore.create(folder / f"{kind}.zarr", shape=shape)
    if kind == "painted":
        return PaintedArray(store)
    return store._files._array  # the bare zarr array, which a layer can paint on too


def measure(data: Any, shape: tuple[int, int, int]) -> dict[str, float]:
    """Milliseconds of a dab: median, 95th percentile and slowest, and its processor time.

    The redraw is awaited, but not counted: it is the same for every kind of array.
    """
    viewer = napari.Viewer(show=True)
    layer = viewer.add_labels(data)
    layer.brush_size = BRUSH
    rng = np.random.default_rng(0)
    spent = []
    for line in range(LINES):
        z = line % shape[0]
        viewer.dims.set_current_step(0, z)
        QApplication.processEvents()
        start, step = rng.uniform(100, min(shape[1:]) - 400, 2), rng.uniform(2, 12, 2)
        for dab in range(DABS):
            begun, busy = time.perf_counter(), time.thread_time()
            layer.paint((z, *(start + dab * step)), 1 + line % 2)
            spent.append((time.perf_counter() - begun, time.thread_time() - busy))
            QApplication.processEvents()
    viewer.close()
    wall, processor = np.array(spent).T * 1e3
    return {
        "median_ms": float(np.median(wall)),
        "p95_ms": float(np.percentile(wall, 95)),
        "max_ms": float(wall.max()),
        "processor_ms": float(np.median(processor)),
    }


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(64, 1024, 1024))
    parser.add_argument("--kinds", nargs="+", default=["numpy", "painted", "zarr"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    shape = tuple(options.shape)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.kinds:
            data = make(kind, shape, Path(folder))
            results[kind] = measure(data, shape)
            if kind == "painted":
                data.close()
    if options.json:
        print(json.dumps({"shape": shape, "results": results}))
        return
    print(f"{'x'.join(map(str, shape))} voxels, brush {BRUSH}, {LINES * DABS} dabs")
    for kind, row in results.items():
        print(f"{kind:8}", *(f"{name} {value:6.2f}" for name, value in row.items()))


if __name__ == "__main__":
    main()
