"""``classical``: one classical method on a volume; its preview is in ``slider``."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, LayerUpdated, Notice, Progress
from napari_densify.core.requests import ClassicalRequest, MethodsRequest
from napari_densify.engine.jobs import slider
from napari_densify.engine.jobs.slider import Opened
from napari_densify.engine.outputs import require_label_file
from napari_densify.engine.sources import as_in_project

if TYPE_CHECKING:
    from napari_densify.io import Sink

__all__ = ["list_methods", "run"]


def run(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    """Run a method, with its parameters tuned on the paint first where asked for."""
    from napari_densify.classical import get_method

    method, _ = get_method(request.method)
    if request.region is not None and not request.tune:
        yield from slider.run(request, control)
        return
    opened = slider.open_inputs(request)
    if opened.project_held_out:
        yield as_in_project(opened.project_held_out)
    parameters = dict(request.parameters)
    if request.tune:
        parameters = yield from _tuned(request, opened, control)
    if request.region is not None:
        yield from slider.run(request.model_copy(update={"parameters": parameters}), control)
        return
    target = require_label_file(request.output, inputs=_inputs(request))
    if request.objects:
        count = yield from _objects(request, parameters, opened, target)
        facts = {"output": str(target), "objects": count, "seconds": round(control.elapsed(), 2)}
        yield Done(result={"method": method.name, "parameters": parameters, **facts})
        return
    complete = yield from _label(request, parameters, opened, target, control)
    result: dict[str, Any] = {"method": method.name, "parameters": parameters}
    if complete:
        yield LayerUpdated(path=str(target), name=method.title, final=True)
        result |= {"output": str(target), "seconds": round(control.elapsed(), 2)}
    else:
        message = "stopped before every voxel had a class, so nothing was written"
        yield Notice(level="warning", message=f"{method.title}: {message}")
    yield Done(result=result if complete else {}, stopped=control.stop)


def _inputs(request: ClassicalRequest) -> list[str]:
    """Files that are read, which nothing is written over."""
    return list(filter(None, (request.image, request.annotations, request.probabilities)))


def _objects(
    request: ClassicalRequest, parameters: dict[str, Any], opened: Opened, target: Path
) -> Generator[Event, None, int]:
    """Write both views of a method's regions, classes and ids; return how many ids."""
    from napari_densify.classical import get_method, run_objects
    from napari_densify.io import write_labels

    ids_file = require_label_file(request.objects, inputs=[*_inputs(request), request.output])
    yield Progress(done=0, total=1, message=request.method)
    labels, ids = run_objects(request.method, **opened.keywords(), parameters=parameters)
    facts = opened.facts()
    place = {name: facts[name] for name in ("spacing", "spacing_known")}
    write_labels(target, labels, classes=facts["classes"], **place)
    write_labels(ids_file, ids, **place)
    title = get_method(request.method)[0].title
    yield LayerUpdated(path=str(target), name=title, final=True)
    yield LayerUpdated(path=str(ids_file), name=f"{title}: objects", role="instances", final=True)
    return int(ids.max())


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
            "blockwise": method.blockwise,
            "parameters": method.settings.model_json_schema().get("properties", {}),
        }
        for method in METHODS.values()
    ]
    yield Done(result={"methods": rows})


def _tuned(
    request: ClassicalRequest, opened: Opened, control: JobControl
) -> Generator[Event, None, dict[str, Any]]:
    """Search the parameters; those given by the user stay as they are."""
    from napari_densify.classical import search_parameters
    from napari_densify.comparison import trials

    if opened.paint is None:
        raise InputError("nothing to tune on", where="--tune", mend="give --annotations")
    search = search_parameters(request.method, **opened.keywords(), control=control)
    tuned = yield from trials(search)
    return {**tuned.parameters.model_dump(mode="json"), **request.parameters}


@contextlib.contextmanager
def _sink(opened: Opened, target: Path) -> Iterator[Sink]:
    """Open the output; on failure nothing stands under its name."""
    from napari_densify.io import create_sink

    sink = create_sink(target, **opened.facts())
    try:
        yield sink
    except BaseException:
        sink.abort()
        raise


def _label(
    request: ClassicalRequest,
    parameters: dict[str, Any],
    opened: Opened,
    target: Path,
    control: JobControl,
) -> Generator[Event, None, bool]:
    """Write the final pieces of the answer as they come; return whether all of them came."""
    from napari_densify.classical import stream_method

    complete = False
    with _sink(opened, target) as sink:
        for piece in stream_method(
            request.method, **opened.keywords(), parameters=parameters, control=control
        ):
            if piece.final:
                sink.write(piece.region, piece.labels)
                complete = piece.done == piece.total
            yield Progress(done=piece.done, total=piece.total, message=request.method)
        if complete:
            sink.close()
        else:
            sink.abort()
    return complete
