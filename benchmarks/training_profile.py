"""Where the time of a training step goes, stage by stage.

    python -m benchmarks.training_profile --image IMAGE --annotations LABELS [--steps 20] [--write]

A training as ``densify train`` does it; what each step calls is timed, from the second
step on (the first one warms caches up).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.page import busy, write_section
from napari_densify.core.control import JobControl
from napari_densify.core.events import StepDone
from napari_densify.core.requests import TrainRequest
from napari_densify.core.settings import TrainSettings
from napari_densify.engine.jobs import run_job
from napari_densify.networks import SameSize
from napari_densify.training import ema, sampler, state


class Timer:
    """Adds up the seconds of functions that it was put around."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def around(self, owner: Any, name: str, stage: str) -> None:
        """Time a function or method from now on."""
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **known: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(*args, **known)
            finally:
                self.seconds[stage] += time.perf_counter() - began

        setattr(owner, name, timed)


def measure(request: TrainRequest) -> tuple[dict[str, float], int]:
    """Seconds of each stage, and the steps that they are of."""
    timer = Timer()
    timer.around(sampler.PatchSampler, "draw", "draw patches")
    timer.around(state, "augment_batch", "augment")
    timer.around(state, "network_input", "mix channels")
    timer.around(SameSize, "forward", "network, forward")
    timer.around(state, "masked_loss", "loss")
    timer.around(torch.autograd, "backward", "network, backward")
    timer.around(ema.AveragedWeights, "update", "average weights")
    timer.around(state.TrainingState, "advance", "step")
    steps = 0
    for event in run_job(request, JobControl()):
        if isinstance(event, StepDone) and event.step == 1:
            timer.seconds.clear()
        steps += isinstance(event, StepDone) and event.step > 1
    found, whole = dict(timer.seconds), timer.seconds["step"] + timer.seconds["draw patches"]
    found.pop("step")
    found["optimiser and the rest"] = whole - sum(found.values())
    return found, steps


def table(found: dict[str, float], steps: int) -> str:
    """Table for the page."""
    total = sum(found.values())
    rows = ["| stage | ms a step | share |", "|---|---|---|"]
    rows += [
        f"| {name} | {1e3 * seconds / steps:.1f} | {100 * seconds / total:.0f} % |"
        for name, seconds in found.items()
    ]
    rows += [f"| **all** | {1e3 * total / steps:.1f} | 100 % |", "", f"{steps} steps. {busy()}"]
    return "\n".join(rows)


def main() -> None:
    """Measure and print, or write into the docs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--precision", default="auto", choices=["auto", "float32", "bf16"])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        request = TrainRequest(
            images=(str(options.image),), annotations=(str(options.annotations),),
            output=str(Path(scratch) / "model.safetensors"),
            settings=TrainSettings(
                device="cpu", steps=options.steps + 1, precision=options.precision
            ),
        )  # fmt: skip
        found, steps = measure(request)
    body = table(found, steps)
    print(body)
    if options.write:
        command = (
            f"python -m benchmarks.training_profile --image {options.image.name} "
            f"--annotations {options.annotations.name} --steps {options.steps} "
            f"--precision {options.precision}"
        )
        write_section("One training step, by stage", command, body)


if __name__ == "__main__":
    main()
