"""Peak memory of classical methods that work in blocks, on a volume that no memory holds.

    python -m benchmarks.classical_memory [--edge 2048] [--seconds 60] [--write] [METHOD ...]

The volume is virtual: computed where it is read. Each method learns from two painted slices and
labels blocks, in a process of its own, until so many seconds are over (at least one block).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.flat_memory import Virtual
from benchmarks.page import write_section
from napari_densify.classical import METHODS, stream_method
from napari_densify.core.control import JobControl
from napari_densify.core.volume import Volume

TITLE = "Memory of classical methods in blocks"
FEW: dict[str, dict[str, Any]] = {
    "chan_vese": {"iterations": 2},
    "geodesic_contour": {"iterations": 2},
    "snakes": {"iterations": 2},
    "random_forest": {"trees": 10},
}
"""What is held in memory doesn't depend on how often a method repeats itself."""


class Painted:
    """Paint on two slices of a cube: two squares of each class."""

    dtype = np.dtype(np.uint8)

    def __init__(self, edge: int) -> None:
        self.shape = (edge, edge, edge)
        side = edge // 16
        self._plane = np.zeros((edge, edge), np.uint8)
        self._plane[:side, :side], self._plane[:side, side : 2 * side] = 1, 2
        self._where = (edge // 4, edge // 2)

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *rest = key if isinstance(key, tuple) else (key,)
        numbers = np.arange(self.shape[0])[first]
        plane = self._plane[tuple(rest)]
        if np.ndim(numbers) == 0:
            return plane * np.uint8(numbers in self._where)
        out = np.zeros((len(numbers), *plane.shape), np.uint8)
        out[np.isin(numbers, self._where)] = plane
        return out


def label(name: str, edge: int, seconds: float) -> dict[str, float]:
    """Label blocks in this process; peak memory and how far it came."""
    control, start, voxels, total = JobControl(), time.monotonic(), 0, 0
    for piece in stream_method(
        name,
        Volume(Virtual(edge)),
        annotations=Painted(edge),
        parameters=FEW.get(name, {}),
        control=control,
    ):
        voxels += piece.labels.size
        total = piece.total
        control.stop = time.monotonic() - start > seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"peak GiB": peak / 2**30, "Mvoxels": voxels / 1e6, "blocks in all": total}


def table(rows: dict[str, dict[str, float]], edge: int) -> str:
    """Peaks as Markdown."""
    lines = [
        "| method | peak memory (GiB) | labelled (Mvoxels) | blocks in all |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['peak GiB']:.2f} | {row['Mvoxels']:.0f} | {row['blocks in all']:.0f} |"
        for name, row in rows.items()
    ]
    whole = edge**3 * 4 / 2**30
    note = f"{edge}^3 voxels; as float32 they are {whole:.2g} GiB. Others need the whole volume: "
    others = ", ".join(name for name, method in METHODS.items() if not method.blockwise)
    return "\n".join([*lines, "", f"{note}{others}."])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run each method in its own process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--edge", type=int, default=2048)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--timeout", type=float, default=120.0, help="Seconds for a process")
    parser.add_argument("--write", action="store_true", help="Write to docs/benchmarks.md")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    every = [name for name, method in METHODS.items() if method.blockwise]
    parser.add_argument("methods", nargs="*", default=every)
    given = parser.parse_args(arguments)
    if given.child:
        print(json.dumps(label(given.methods[0], given.edge, given.seconds)))
        return
    words = ["--edge", str(given.edge), "--seconds", str(given.seconds)]
    rows = {}
    for name in given.methods:
        command = [sys.executable, "-m", "benchmarks.classical_memory", *words, "--child", name]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=given.timeout
            )
        except subprocess.TimeoutExpired:
            print(f"{name}: not one block within {given.timeout:.0f} s", flush=True)
            continue
        rows[name] = json.loads(done.stdout.splitlines()[-1])
        print(json.dumps({name: rows[name]}), flush=True)
    text = table(rows, given.edge)
    print(text)
    if given.write:
        write_section(TITLE, f"python -m benchmarks.classical_memory {' '.join(words)}", text)


if __name__ == "__main__":
    main()
