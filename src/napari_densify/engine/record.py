"""What is done with a project is written into its history, so that it can be done again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from napari_densify.core import requests as ask
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, Notice
from napari_densify.engine.sources import is_project

__all__ = ["project_of", "recorded", "recorded_requests"]

_REPLAYED = (
    ask.TrainRequest
    | ask.PredictRequest
    | ask.ClassicalRequest
    | ask.CompareRequest
    | ask.InstancesRequest
    | ask.ExportRequest
)
_adapter: TypeAdapter[_REPLAYED] = TypeAdapter(_REPLAYED)


def project_of(request: ask.JobRequest) -> Path | None:
    """Project whose data a job makes something of; None for looks and previews."""
    if not isinstance(request, _REPLAYED) or getattr(request, "region", None) is not None:
        return None
    for name in ("images", "image", "prediction", "model"):
        value = getattr(request, name, "")
        for address in (value,) if isinstance(value, str) else value:
            found = _project_around(address)
            if found is not None:
                return found
    return None


def _project_around(address: str) -> Path | None:
    """Find the project that an address is, or lies in."""
    path = Path(address.partition("::")[0]).absolute()
    return next((p for p in (path, *path.parents) if is_project(str(p))), None)


def recorded(request: ask.JobRequest, events: Iterator[Event]) -> Iterator[Event]:
    """Pass events on; when the job is done, add it to the history of its project."""
    project = project_of(request)
    for event in events:
        if isinstance(event, Done) and project is not None:
            yield from _add(project, request, event)
        yield event


def _add(project: Path, request: ask.JobRequest, done: Done) -> Iterator[Event]:
    from napari_densify.project import Project

    content = request.model_dump(mode="json", exclude={"job"}, exclude_defaults=True)
    step = {
        "request": {**content, "kind": request.kind},
        "stopped": done.stopped,
        "result": json.loads(json.dumps(done.result, default=str)),
    }
    try:
        Project.open(project, read_only=True).log(request.kind, step)
    except InputError as error:
        # The work is done; that it could not be noted down must not undo it.
        yield Notice(level="warning", message=f"not added to the history: {error}")


def recorded_requests(history: list[dict[str, Any]]) -> Iterator[_REPLAYED]:
    """Read the requests in a history, in the order done; pass over other entries."""
    for entry in history:
        request = entry.get("settings", {}).get("request")
        if request is None:
            continue
        try:
            found = _adapter.validate_python(request)
        except ValidationError:
            continue
        result = entry["settings"].get("result")
        yield _by_steps(found, result if isinstance(result, dict) else {})


def _by_steps(request: _REPLAYED, result: dict[str, Any]) -> _REPLAYED:
    """Let a training last as many steps as it had: on another machine a second is another."""
    steps = result.get("steps")
    if not isinstance(request, ask.TrainRequest) or not steps or request.settings.steps:
        return request
    settings = request.settings.model_copy(update={"steps": int(steps), "budget_s": None})
    return request.model_copy(update={"settings": settings})
