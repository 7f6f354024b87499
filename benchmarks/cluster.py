"""Two local dask workers of one thread each, against one.

    python -m benchmarks.cluster --model MODEL --image IMAGE [--write]

The same prediction with one worker and with two; counted is the time between the first
and the last finished block, so that starting the workers is left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from benchmarks.page import busy, write_section
from napari_densify.core.control import JobControl
from napari_densify.core.events import Progress
from napari_densify.core.requests import PredictRequest
from napari_densify.core.settings import PredictSettings
from napari_densify.engine.jobs import run_job


def blocks_per_second(model: Path, image: Path, workers: int, block: tuple[int, ...]) -> float:
    """Predict with so many workers."""
    settings = PredictSettings(device="cpu", workers=workers, threads=1, block=block, mirrors=1)
    times: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        request = PredictRequest(
            images=(str(image),), model=str(model), output=str(Path(scratch) / "l.zarr"),
            settings=settings, cluster="local",
        )  # fmt: skip
        for event in run_job(request, JobControl()):
            if isinstance(event, Progress):
                times.append(time.perf_counter())
    return (len(times) - workers) / (times[-1] - times[workers - 1])


def main() -> None:
    """Measure and print, or write into the docs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--block", type=int, nargs=3, default=(4, 128, 128))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    speeds = {
        n: blocks_per_second(options.model, options.image, n, tuple(options.block)) for n in (1, 2)
    }
    print(json.dumps(speeds))
    body = "| workers | blocks/s |\n|---|---|\n"
    body += "\n".join(f"| {n} | {speed:.3f} |" for n, speed in speeds.items())
    body += f"\n\nTwo are {speeds[2] / speeds[1]:.2f} times as fast as one. {busy()}"
    print(body)
    if options.write:
        block = " ".join(map(str, options.block))
        words = f"--model {options.model.name} --image {options.image.name} --block {block}"
        write_section("Two workers of a cluster", f"python -m benchmarks.cluster {words}", body)


if __name__ == "__main__":
    main()
