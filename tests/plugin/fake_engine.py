"""An engine that answers as the real one does, within a moment and without torch.

It learns the mean intensity of each class from the strokes and predicts the nearest
one, so that what is predicted depends on what was painted. ``DENSIFY_FAKE_STEPS``
says how many steps a training has, of ``DENSIFY_FAKE_STEP_S`` seconds each.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from napari_densify.core import requests as ask
from napari_densify.core.control import JobControl
from napari_densify.core.events import (
    Done,
    Event,
    HeldOutScore,
    LayerUpdated,
    ModelSaved,
    Plan,
    Progress,
    StepDone,
)
from napari_densify.engine.process import main
from napari_densify.io import create_sink, write_volume
from napari_densify.project import Project

STEPS = int(os.environ.get("DENSIFY_FAKE_STEPS", "5"))
STEP_S = float(os.environ.get("DENSIFY_FAKE_STEP_S", "0.01"))


def run(request: ask.JobRequest, control: JobControl) -> Iterator[Event]:
    jobs = {"train": train, "predict": predict, "compare": compare, "info": info}
    jobs["augment"] = augment
    yield from jobs[request.kind](request, control)


def info(request: ask.InfoRequest, control: JobControl) -> Iterator[Event]:
    yield Done(
        result={
            "estimate": {"predict_s": 24.0, "device": "an abacus"},
            "memory": {"predict_bytes": 1_200_000_000},
        }
    )


def augment(request: ask.AugmentRequest, control: JobControl) -> Iterator[Event]:
    project = Project.open(request.images[0], read_only=True)
    sides = 20 + request.settings.seed, 10 * sum(project.annotations().counts().values())
    imageio.imwrite(request.output, np.full(sides, 128, np.uint8))
    yield Done(result={"output": request.output})


def train(request: ask.TrainRequest, control: JobControl) -> Iterator[Event]:
    print("a library prints this")
    os.write(1, b'{"kind": "done", "job": "train-1-1"}\n')
    project = Project.open(request.images[0], read_only=True)
    image, paint = project.image().read()[0], project.annotations()
    labels = paint.read(tuple(slice(0, n) for n in project.shape))
    labels[list(request.settings.held_out)] = 0
    yield Plan(explanation="nearest mean intensity")
    step = 0
    for step in range(1, STEPS + 1):
        time.sleep(STEP_S)
        yield StepDone(step=step, loss=1 / step, learning_rate=0.1, elapsed_s=step * STEP_S)
        yield Progress(done=step, total=STEPS, eta_s=(STEPS - step) * STEP_S)
        if control.stop:
            break
    yield HeldOutScore(step=step, elapsed_s=step * STEP_S, dice={1: 0.9, 2: 0.7}, mean_dice=0.8)
    means = {int(v): float(image[labels == v].mean()) for v in np.unique(labels[labels > 0])}
    Path(request.output).write_text(json.dumps(means))
    yield ModelSaved(path=request.output, steps=step, elapsed_s=step * STEP_S)
    yield Done(result={"held_out": {"mean_dice": 0.8}}, stopped=control.stop)


def predict(request: ask.PredictRequest, control: JobControl) -> Iterator[Event]:
    project = Project.open(request.images[0], read_only=True)
    means = {int(v): m for v, m in json.loads(Path(request.model).read_text()).items()}
    image = project.image().read()[0].astype(float)
    values = np.array(list(means))
    distance = np.abs(image[None] - np.array(list(means.values()))[:, None, None, None])
    labels = values[distance.argmin(0)].astype(np.uint8)
    Path(request.output).parent.mkdir(exist_ok=True)
    sink = create_sink(
        Path(request.output), shape=labels.shape, dtype=labels.dtype,
        spacing=project.spacing, spacing_known=True, classes=project.classes,
    )  # fmt: skip
    half = labels.shape[0] // 2
    for part in (slice(0, half), slice(half, labels.shape[0])):
        sink.write((part, slice(0, labels.shape[1]), slice(0, labels.shape[2])), labels[part])
        yield Progress(done=part.stop, total=labels.shape[0])
        yield LayerUpdated(path=request.output, name="prediction")
    sink.close()
    yield LayerUpdated(path=request.output, name="prediction", final=True)
    if request.probabilities:
        write_volume(request.probabilities, (255 * (labels == 2)).astype(np.uint8))
        yield LayerUpdated(path=request.probabilities, name="prediction", role="probabilities")
    yield Done(result={})


def compare(request: ask.CompareRequest, control: JobControl) -> Iterator[Event]:
    rows = [
        {"method": "Threshold", "mean Dice": 0.7, "mean IoU": 0.6, "seconds": 0.1},
        {"method": "round 1", "mean Dice": 0.9, "mean IoU": 0.8, "seconds": 9.0},
        {"method": "Watershed", "error": "no seeds"},
    ]
    yield Progress(done=1, total=3)
    yield Done(result={"rows": rows})


if __name__ == "__main__":
    main(light=True, run=run)
