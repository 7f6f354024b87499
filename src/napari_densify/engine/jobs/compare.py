"""``compare``: classical methods and networks, scored side by side."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, Log, Notice
from napari_densify.core.fingerprint import checksum
from napari_densify.core.model import ModelSpec
from napari_densify.core.model_file import read_spec
from napari_densify.core.requests import CompareRequest, PredictRequest, TrainRequest
from napari_densify.core.settings import PredictSettings, TrainSettings
from napari_densify.engine.jobs import predict, train
from napari_densify.engine.outputs import require_folder, require_writable
from napari_densify.engine.sources import (
    Painted,
    PaintedVoxels,
    open_label_volume,
    open_painted,
    open_volume,
    require_shape,
)

if TYPE_CHECKING:
    from napari_densify.comparison import CompareOptions, ModelPrediction

__all__ = ["run"]

NETWORK = "network.safetensors"
"""File in the report's folder of the network that a comparison trains."""


def run(request: CompareRequest, control: JobControl) -> Iterator[Event]:
    """Predict with each model, train one where a budget is given, then score all."""
    from napari_densify.comparison import ModelPrediction, compare, resolve_methods

    folder = require_folder(request.output)
    _keep_inputs(request, folder)
    source = open_painted(
        request.image, request.annotations, spacing=request.spacing, level=request.level
    )
    truth = open_label_volume(request.truth) if request.truth else None
    if truth is not None:
        require_shape(truth.shape, source.volume.shape, where=request.truth, other=request.image)
    resolve_methods(request.methods)
    models = _named(request.models)
    learned = {name: _learned(read_spec(path), request, source) for name, path in models.items()}
    seen = frozenset[int]().union(*learned.values())
    held_out = _held_out(request, source, seen)
    if dropped := sorted(set(request.held_out) - set(held_out)):
        yield Notice(message=f"paint on slices {dropped} is not scored: a network learned from it")
    if request.budget_s:
        models["network"], learned["network"] = folder / NETWORK, ()
        yield from _train(request, source, held_out, models["network"], control)
    predictions = {name: ModelPrediction(labels) for name, labels in request.predictions.items()}
    for name, path in models.items():
        if control.stop:
            break
        predictions[name] = yield from _predict(request, learned[name], name, path, control)
    yield from compare(
        source.volume,
        PaintedVoxels(source.annotations),
        truth=truth.data if truth else None,
        methods=request.methods,
        model_predictions=predictions,
        out_dir=folder,
        control=control,
        options=_options(request, source, held_out),
    )


def _keep_inputs(request: CompareRequest, folder: Path) -> None:
    """Refuse a folder where a file that is read would be written over."""
    inputs = [request.image, request.annotations, request.truth, *request.models]
    written = {"training.tif": True, "truth.tif": not request.truth, NETWORK: request.budget_s}
    for name in (name for name, is_written in written.items() if is_written):
        require_writable(folder / name, inputs=filter(None, inputs))


def _options(request: CompareRequest, source: Painted, held_out: tuple[int, ...]) -> CompareOptions:
    """Say how everything is tuned and scored, and where it came from."""
    from napari_densify.comparison import CompareOptions, Provenance
    from napari_densify.project.address import absolute

    return CompareOptions(
        tune_s=request.tune_s,
        held_out=held_out,
        zero=request.zero,
        seed=request.seed,
        classes=source.classes,
        source=Provenance(
            image=absolute(request.image),
            annotations=absolute(request.annotations or request.image),
            truth=absolute(request.truth) if request.truth else "",
            models=tuple(map(absolute, request.models)),
            budget_s=request.budget_s,
            spacing=request.spacing,
            level=request.level,
        ),
    )


def _held_out(request: CompareRequest, source: Painted, seen: frozenset[int]) -> tuple[int, ...]:
    """Choose slices to score on: the wish, the project's, those that no model saw, or some."""
    from napari_densify.comparison import choose_held_out

    if request.truth:  # scored beside paint; the paint of these slices only if nobody saw it
        return tuple(z for z in request.held_out if z not in seen)
    if request.held_out:
        return request.held_out
    painted = sorted(source.annotations.slice_counts())
    kept = source.held_out if request.project_held_out else ()
    marked = tuple(z for z in kept if z in painted)
    unseen = tuple(z for z in painted if z not in seen) if seen else ()
    return marked or unseen or choose_held_out(painted)


def _named(models: tuple[str, ...]) -> dict[str, Path]:
    """Name models by their files, or by their folders where files are called alike."""
    paths = [Path(model) for model in models]
    stems = [path.stem for path in paths]
    alike = len(set(stems)) < len(stems) or set(stems) == {"model"}
    names = [path.absolute().parent.name if alike else path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    return dict(zip(names, paths, strict=True))


def _train(
    request: CompareRequest,
    source: Painted,
    held_out: tuple[int, ...],
    target: Path,
    control: JobControl,
) -> Iterator[Event]:
    """Train a network on the paint that is not scored."""
    yield Log(message="training a network on the same paint")
    settings = TrainSettings(
        budget_s=request.budget_s,
        device=request.device,
        seed=request.seed,
        held_out=held_out,
        level=request.level,
    )
    asked = TrainRequest(
        images=(request.image,),
        annotations=(request.annotations or request.image,),
        output=str(target),
        settings=settings,
        spacing=request.spacing,
    )
    events = train.train_to(target, asked, [source], control, started=time.monotonic())
    yield from (event for event in events if not isinstance(event, Done))


def _predict(
    request: CompareRequest,
    learned: tuple[int, ...],
    name: str,
    model: Path,
    control: JobControl,
) -> Generator[Event, None, ModelPrediction]:
    """Predict with one model; return what the comparison is told of it."""
    from napari_densify.comparison import ModelPrediction

    yield Log(message=f"predicting with {name}")
    target = Path(request.output) / "predictions" / f"{name.replace('/', '_')}.tif"
    asked = PredictRequest(
        images=(request.image,),
        model=str(model),
        output=str(target),
        settings=PredictSettings(device=request.device, level=request.level),
        spacing=request.spacing,
    )
    start = time.monotonic()
    yield from (e for e in predict.run(asked, control) if not isinstance(e, Done))
    if not target.exists():
        raise InputError("stopped before anything was predicted", where=name)
    record = read_spec(model).training
    seconds = time.monotonic() - start + float(record.get("seconds", 0.0))
    return ModelPrediction(
        str(target),
        seconds=seconds,
        trained_slices=learned,
        model=str(model.absolute()),
    )


def _learned(spec: ModelSpec, request: CompareRequest, source: Painted) -> tuple[int, ...]:
    """Painted slices of this image that a model learned from, as far as its record says."""
    record, painted = spec.training, sorted(source.annotations.slice_counts())
    settings = record.get("settings", {})
    if "learned" not in record:  # of an earlier version: perhaps from all that it held out not
        return tuple(z for z in painted if z not in settings.get("held_out", ()))
    channels = settings.get("channels")
    volume = open_volume(
        request.image, level=request.level, channels=tuple(channels) if channels else None
    )
    return tuple(z for z in record["learned"].get(checksum(volume), ()) if z in painted)
