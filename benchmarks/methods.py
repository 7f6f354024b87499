"""The methods that are compared: ours through the command line, others as programs."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.processes import densify, run
from benchmarks.rivals import Job
from benchmarks.scenarios import Scene
from napari_densify.core.volume import Volume
from napari_densify.io import open_labels, write_labels

__all__ = ["METHODS", "Answer", "Method", "find_method", "prepare", "why_not"]


@dataclass(frozen=True)
class Answer:
    """Labels of the painted volume and, where it can, of the second one; what they cost."""

    labels: tuple[np.ndarray, ...]
    seconds: float
    predict_seconds: float = 0.0
    steps: int = 0
    peak_gb: float = 0.0
    remark: str = ""


Method = Callable[[Job], Answer]


@contextmanager
def prepare(scene: Scene, budget: float, steps: int, seed: int) -> Iterator[Job]:
    """Write a scene's files into a folder that is removed afterwards."""
    with TemporaryDirectory() as folder:
        volumes = [scene.image, *([scene.second.image] if scene.second else [])]
        known = {"spacing": scene.image.spacing, "spacing_known": scene.image.spacing_known}
        for number, volume in enumerate(volumes):
            _write_image(Path(folder) / f"image{number}.tif", volume)
        write_labels(Path(folder) / "paint.tif", scene.paint, **known)
        yield Job(
            folder=folder,
            images=tuple(f"image{n}.tif" for n in range(len(volumes))),
            paint="paint.tif",
            outputs=tuple(f"out{n}.tif" for n in range(len(volumes))),
            spacing=scene.image.spacing,
            budget=budget, steps=steps, seed=seed, started=0.0,
        )  # fmt: skip


def _write_image(path: Path, volume: Volume) -> None:
    known = {"spacing": volume.spacing, "spacing_known": volume.spacing_known}
    write_labels(path, volume.read()[0], **known)


def ours(job: Job, wishes: tuple[str, ...] = ()) -> Answer:
    """Train and predict as users do."""
    image, paint, model = (job.path(n) for n in (job.images[0], job.paint, "model.safetensors"))
    length = ["--steps", str(job.steps)] if job.steps else ["--budget", f"{job.budget}s"]
    predicting = [w.removeprefix("predict.") for w in wishes if w.startswith("predict.")]
    sets = _as_sets(w for w in wishes if not w.startswith("predict."))
    trained = densify(
        "train", image, "--annotations", paint, "-o", model, *length,
        "--seed", str(job.seed), *sets,
    )  # fmt: skip
    began = time.monotonic()
    predicted = [
        densify(
            "predict", job.path(name), "--model", model, "-o", job.path(out), *_as_sets(predicting)
        )
        for name, out in zip(job.images, job.outputs, strict=True)
    ]
    return Answer(
        _read(job), trained.seconds, time.monotonic() - began,
        next(e["steps"] for e in trained.events if e["kind"] == "model"),
        max(done.peak_gb for done in (trained, *predicted)),
    )  # fmt: skip


def _as_sets(wishes: Iterable[str]) -> list[str]:
    return [word for wish in wishes for word in ("--set", wish)]


def interpolation(job: Job) -> Answer:
    """Interpolate between painted slices by signed distances; knows no second volume."""
    image, paint, out = (job.path(n) for n in (job.images[0], job.paint, job.outputs[0]))
    done = densify("classical", "interpolation", image, "--annotations", paint, "-o", out)
    return Answer(_read(job), done.seconds, peak_gb=done.peak_gb)


def rival(name: str, job: Job) -> Answer:
    """Run a program of ``benchmarks.rivals``."""
    replace(job, started=time.monotonic()).save()
    done = run([_python(name), "-m", f"benchmarks.rivals.{name}", job.folder])
    spent = json.loads(Path(job.path("result.json")).read_text())
    return Answer(
        _read(job), spent["seconds"], spent["predict_seconds"], spent["steps"], done.peak_gb,
        spent["remark"],
    )  # fmt: skip


def _read(job: Job) -> tuple[np.ndarray, ...]:
    paths = [Path(job.path(name)) for name in job.outputs]
    return tuple(open_labels(path).read_labels() for path in paths if path.exists())


METHODS: dict[str, Method] = {
    "densify": ours,
    "interpolation": interpolation,
    "forest": partial(rival, "forest"),
    "forest-3d": partial(rival, "forest_3d"),
    "skimage-forest": partial(rival, "skimage_forest"),
    "monai": partial(rival, "monai_unet"),
    "nnunet": partial(rival, "nnunet"),
    "paper-3d": partial(ours, wishes=("preset=paper-3d",)),
}
_NEEDS = {"monai": "monai", "nnunet": "nnunetv2"}


def find_method(name: str) -> Method:
    """Look a method up; ours may bring settings: ``densify:optimiser=adamw;features=false``."""
    base, _, settings = name.partition(":")
    if base not in METHODS or (settings and base not in ("densify", "paper-3d")):
        raise SystemExit(f"unknown method {name!r}; one of: {', '.join(METHODS)}")
    wishes = tuple(w for w in settings.split(";") if w)
    if base == "paper-3d":
        wishes = ("preset=paper-3d", *wishes)
    return partial(ours, wishes=wishes) if wishes else METHODS[base]


def _python(name: str) -> str:
    """Interpreter for a program: MONAI and nnU-Net may live in an environment of their own."""
    return os.environ.get(f"BENCH_{name.split('_')[0].upper()}_PYTHON", sys.executable)


@cache
def why_not(name: str) -> str | None:
    """Say why a method can't run here, if it can't."""
    module = _NEEDS.get(name)
    if module is None:
        return None
    python = _python(module.removesuffix("v2"))
    try:
        run([python, "-c", f"import {module}"])
    except (RuntimeError, OSError):
        variable = f"BENCH_{name.upper()}_PYTHON"
        return (
            f"{name} left out: {python} has no {module}; pip install --group bench, "
            f"or name another Python in {variable}"
        )
    return None
