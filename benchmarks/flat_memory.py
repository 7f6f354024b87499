"""Peak memory of a prediction: the same whatever the volume's size, cost linear in voxels.

    python -m benchmarks.flat_memory [--edges 256 1024 4096] [--blocks 200] [--write]

Each volume is virtual (computed where it is read, stored nowhere) and predicted in a
process of its own, at most so many blocks of it and for so long. The network is the one that
training would choose, untrained; ``--base 4`` makes it narrower, which is faster and hides less
of what the volume itself would need.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import busy, write_section


class Virtual:
    """A cube of texture that repeats every 61 voxels and differs from block to block."""

    def __init__(self, edge: int) -> None:
        self.shape, self.dtype = (edge, edge, edge), np.dtype(np.uint8)
        self._tile = np.random.default_rng(0).integers(0, 255, (61, 61, 61)).astype(np.uint8)

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        z, y, x = (np.arange(*s.indices(n)) for s, n in zip(key, self.shape, strict=True))
        return self._tile[np.ix_(z % 61, y % 61, x % 61)]


def predict(
    edge: int, blocks: int, base: int, threads: int | None, limit_s: float
) -> dict[str, Any]:
    """Predict in this process; peak memory, voxels, seconds."""
    from napari_densify.classical.features import feature_names
    from napari_densify.core.control import JobControl
    from napari_densify.core.labels import ClassTable
    from napari_densify.core.settings import PredictSettings, TrainSettings
    from napari_densify.core.volume import Volume
    from napari_densify.inference.tiling import block_size
    from napari_densify.inference.volume import Outputs, predict_volume
    from napari_densify.io import create_sink
    from napari_densify.networks import build_network
    from napari_densify.training.facts import Facts
    from napari_densify.training.plan import resolve_plan
    from napari_densify.training.spec import spec_from_plan

    volume, control = Volume(Virtual(edge)), JobControl()
    # The plan of a large cubic volume, whatever the edge: it is the same model each time.
    facts = Facts(shape=(1024, 1024, 1024), classes=2)
    plan = resolve_plan(TrainSettings(base_channels=base), facts)
    features = len(feature_names(plan.features)) if plan.features else 0
    spec = spec_from_plan(
        plan, classes=ClassTable.default(), spacing=volume.spacing, spacing_known=False,
        image_channels=1, feature_offset=(0.0,) * features, feature_gain=(1.0,) * features,
    )  # fmt: skip
    network = build_network(plan.network).eval()
    settings = PredictSettings(device="cpu", mirrors=1, threads=threads)
    size, written = block_size(volume.shape, spec), 0
    with tempfile.TemporaryDirectory() as scratch:
        sink = create_sink(
            Path(scratch) / "labels.zarr", shape=volume.shape, dtype=np.uint8, chunks=size
        )
        wall, cpu = time.perf_counter(), time.process_time()
        deadline = wall + limit_s
        for event in predict_volume(
            network, spec, volume, Outputs(sink), settings, control=control
        ):
            written = int(event.done)
            control.stop = written >= blocks - 1 or time.perf_counter() > deadline
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    voxels = min(written * int(np.prod(size)), edge**3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "edge": edge, "blocks": written, "Mvoxels": voxels / 1e6, "peak_GiB": peak / 2**30,
        "wall_us_per_voxel": 1e6 * wall / voxels, "cpu_us_per_voxel": 1e6 * cpu / voxels,
    }  # fmt: skip


def main() -> None:
    """Run each size in its own process and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--edges", type=int, nargs="+", default=[256, 1024, 4096])
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--base", type=int, default=16)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--limit-s", type=float, default=150, help="stop each size after this")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.child:
        given = (options.blocks, options.base, options.threads, options.limit_s)
        print(json.dumps(predict(options.child, *given)))
        return
    words = ["--blocks", str(options.blocks), "--base", str(options.base)]
    words += ["--limit-s", f"{options.limit_s:g}"]
    words += ["--threads", str(options.threads)] if options.threads else []
    program = [sys.executable, "-m", "benchmarks.flat_memory", *words, "--child"]
    rows = []
    for edge in options.edges:
        done = subprocess.run([*program, str(edge)], capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    peaks = [row["peak_GiB"] for row in rows]
    names = list(rows[0])
    body = ["| " + " | ".join(n.replace("_", " ") for n in names) + " |", "|---" * len(names) + "|"]
    body += ["| " + " | ".join(f"{row[n]:.4g}" for n in names) + " |" for row in rows]
    body += ["", f"Largest peak over smallest: {max(peaks) / min(peaks):.3f}. {busy()}"]
    print("\n".join(body))
    if options.write:
        edges = " ".join(map(str, options.edges))
        command = f"python -m benchmarks.flat_memory --edges {edges} {' '.join(words)}"
        write_section("Memory stays flat", command, "\n".join(body))


if __name__ == "__main__":
    main()
