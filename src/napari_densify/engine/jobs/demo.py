"""``demo``: the whole way on a bundled volume, from paint to report."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from napari_densify.core import requests as ask
from napari_densify.core.control import JobControl
from napari_densify.core.events import Done, Event, Log
from napari_densify.core.settings import PredictSettings
from napari_densify.data import SampleFiles, sample_files
from napari_densify.engine.jobs import compare, predict, train
from napari_densify.engine.outputs import require_folder

__all__ = ["run"]

# One of each kind, all quick: tuning every method takes longer than the rest of the demo.
_METHODS = ("threshold", "watershed", "random_forest", "interpolation")


def run(request: ask.DemoRequest, control: JobControl) -> Iterator[Event]:
    """Train, predict, compare with classical methods on slices without paint, report."""
    folder = require_folder(request.output)
    sample = sample_files(request.sample)
    yield Log(message=f"{sample.title}: {sample.description}")
    steps = _steps(request, sample, folder)
    result: dict[str, Any] = {"output": str(folder)}
    for name, (say, job, asked) in steps.items():
        yield Log(message=say)
        for event in job(asked, control):
            if isinstance(event, Done):
                result[name] = event.result
            else:
                yield event
        if control.stop:
            break
    result |= _gather(folder, result)
    yield Done(result=result, stopped=control.stop)


Step = tuple[str, Callable[[Any, JobControl], Iterator[Event]], ask.JobRequest]


def _steps(request: ask.DemoRequest, sample: SampleFiles, folder: Path) -> dict[str, Step]:
    image, paint = str(sample.image), str(sample.annotations)
    model, labels = folder / "model.safetensors", folder / "labels.tif"
    device = request.settings.device
    return {
        "train": (
            "training on the painted slices",
            train.run,
            ask.TrainRequest(
                images=(image,),
                annotations=(paint,),
                output=str(model),
                settings=request.settings,
            ),
        ),
        "predict": (
            "predicting the whole volume",
            predict.run,
            ask.PredictRequest(
                images=(image,),
                model=str(model),
                output=str(labels),
                settings=PredictSettings(device=device),
            ),
        ),
        "compare": (
            "comparing with classical methods on the slices without paint",
            compare.run,
            ask.CompareRequest(
                image=image,
                annotations=paint,
                truth=str(sample.truth),
                methods=_METHODS,
                predictions={"U-Net": str(labels)},
                output=str(folder / "report"),
                device=device,
            ),
        ),
    }


def _gather(folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Put the picture of the report where it is seen first."""
    picture = result.get("compare", {}).get("picture")
    if not picture:
        return {}
    return {"picture": str(shutil.copyfile(picture, folder / "comparison.png"))}
