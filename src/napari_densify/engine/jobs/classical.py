"""``classical``: one classical method, on a volume or on what a slider previews."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, LayerUpdated, Log, Progress
from napari_densify.core.labels import ClassTable
from napari_densify.core.requests import ClassicalRequest, MethodsRequest
from napari_densify.core.volume import ArrayLike, Volume
from napari_densify.engine.outputs import LABEL_FILES, require_writable
from napari_densify.engine.sources import PaintedVoxels, is_project, open_painted, open_volume

if TYPE_CHECKING:
    from napari_densify.io import Sink

__all__ = ["list_methods", "run"]


def run(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    """Run a method, with its parameters tuned on the paint first where asked for."""
    from napari_densify.classical import get_method

    method, _ = get_method(request.method)
    inputs = [request.image, request.annotations]
    target = require_writable(request.output, suffixes=LABEL_FILES, inputs=filter(None, inputs))
    volume, paint, classes = _open(request)
    parameters = dict(request.parameters)
    if request.tune:
        yield Log(message=f"tuning {method.title.lower()} on the paint")
        parameters = _tuned(request, volume, paint, classes)
    opened = (volume, paint, classes)
    write = _label if request.region is None else _preview
    yield from write(request, parameters, opened, target, control)
    yield LayerUpdated(
        path=str(target),
        name=method.title,
        role="preview" if request.region else "labels",
        region=request.region,
        generation=request.generation,
        final=True,
    )
    result = {"output": str(target), "method": method.name, "parameters": parameters}
    yield Done(result={**result, "seconds": round(control.elapsed(), 2)}, stopped=control.stop)


def list_methods(request: MethodsRequest, control: JobControl) -> Iterator[Event]:
    """List the methods; parameters with titles, bounds and defaults as JSON schema."""
    from napari_densify.classical import METHODS

    rows = [
        {
            "name": method.name,
            "title": method.title,
            "family": method.family,
            "summary": method.summary,
            "needs_paint": method.needs_paint,
            "parameters": method.settings.model_json_schema().get("properties", {}),
        }
        for method in METHODS.values()
    ]
    yield Done(result={"methods": rows})


Opened = tuple[Volume, ArrayLike | None, ClassTable | None]


def _open(request: ClassicalRequest) -> Opened:
    if not request.annotations and not is_project(request.image):
        return open_volume(request.image, spacing=request.spacing), None, None
    source = open_painted(request.image, request.annotations, spacing=request.spacing)
    return source.volume, PaintedVoxels(source.annotations), source.classes


def _tuned(
    request: ClassicalRequest,
    volume: Volume,
    paint: ArrayLike | None,
    classes: ClassTable | None,
) -> dict[str, Any]:
    """Search the parameters; those given by the user stay as they are."""
    from napari_densify.classical import tune_method

    if paint is None:
        raise InputError("nothing to tune on", where="--tune", mend="give --annotations")
    tuned = tune_method(request.method, volume, paint, classes=classes)
    return {**tuned.parameters.model_dump(mode="json"), **request.parameters}


def _preview(
    request: ClassicalRequest,
    parameters: dict[str, Any],
    opened: Opened,
    target: Path,
    control: JobControl,
) -> Iterator[Event]:
    """Write the slices of a preview at their place; iterative methods stop when told to."""
    from napari_densify.classical import preview_slice

    assert request.region is not None
    volume, paint, classes = opened
    sides = zip(request.region, volume.shape, strict=True)
    z, y, x = (slice(max(0, start), min(stop, n)) for (start, stop), n in sides)
    with _sink(opened, target) as sink:
        for number in range(z.start, z.stop):
            answers = preview_slice(
                request.method,
                volume,
                number,
                annotations=paint,
                classes=classes,
                parameters=parameters,
            )
            for answer in answers:
                plane = answer
                yield Progress(done=number - z.start, total=z.stop - z.start, unit="slices")
                if control.stop:
                    break
            sink.write((slice(number, number + 1), y, x), plane[None, y, x])


@contextlib.contextmanager
def _sink(opened: Opened, target: Path) -> Iterator[Sink]:
    """Open the output; on failure nothing stands under its name."""
    from napari_densify.classical import make_task
    from napari_densify.io import create_sink

    volume, paint, classes = opened
    task = make_task(volume, paint, classes)
    sink = create_sink(
        target,
        shape=volume.shape,
        dtype=task.dtype,
        spacing=volume.spacing,
        spacing_known=volume.spacing_known,
        classes=task.table,
    )
    try:
        yield sink
        sink.close()
    except BaseException:
        sink.abort()
        raise


def _label(
    request: ClassicalRequest,
    parameters: dict[str, Any],
    opened: Opened,
    target: Path,
    control: JobControl,
) -> Iterator[Event]:
    """Write the final pieces of the answer as they come."""
    from napari_densify.classical import stream_method

    volume, paint, classes = opened
    with _sink(opened, target) as sink:
        for piece in stream_method(
            request.method,
            volume,
            annotations=paint,
            classes=classes,
            parameters=parameters,
            control=control,
        ):
            if piece.final:
                sink.write(piece.region, piece.labels)
            yield Progress(done=piece.done, total=piece.total, message=request.method)
