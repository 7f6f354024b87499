"""``replay``: what was done in a project, done again without a viewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from napari_densify.core import requests as ask
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, Log
from napari_densify.engine.jobs import classical, compare, export, instances, predict, train
from napari_densify.engine.outputs import require_folder
from napari_densify.engine.record import recorded_requests
from napari_densify.engine.sources import is_project

__all__ = ["run"]

_JOBS: dict[type[Any], Callable[[Any, JobControl], Iterator[Event]]] = {
    ask.TrainRequest: train.run,
    ask.PredictRequest: predict.run,
    ask.ClassicalRequest: classical.run,
    ask.CompareRequest: compare.run,
    ask.InstancesRequest: instances.run,
    ask.ExportRequest: export.run,
}
_OUTPUTS = ("output", "probabilities", "uncertainty")
_INPUTS = ("images", "image", "annotations", "model", "models", "prediction", "init")


def run(request: ask.ReplayRequest, control: JobControl) -> Iterator[Event]:
    """Do every recorded step again; the project itself is only read.

    New files go to a folder laid out like the project. Each training learns from
    the strokes of its own round, and later steps use the models made here.
    """
    from napari_densify.project import Project

    if not is_project(request.project):
        raise InputError("is not a project", where=request.project, mend="name a .densify folder")
    project = Project.open(request.project, read_only=True)
    moved = _Moved(project.path, Path(request.output or f"{project.path.with_suffix('')}-replay"))
    steps = list(recorded_requests(project.history()))
    if not steps:
        raise InputError("its history holds nothing to do again", where=request.project)
    require_folder(moved.target)
    done: list[dict[str, Any]] = []
    for number, step in enumerate(steps, start=1):
        if control.stop:
            break
        again = moved.request(step)
        yield Log(message=f"step {number} of {len(steps)}: {step.kind}")
        events = _JOBS[type(step)](again, control)
        yield from (event for event in events if not isinstance(event, Done))
        done.append({"step": number, "kind": step.kind, "output": again.output})
    result = {"steps": done, "output": str(moved.target)}
    yield Done(result=result, stopped=control.stop)


class _Moved:
    """Turns paths of the project into those of the replay.

    Parameters
    ----------
    project
        Folder of the project.
    target
        Folder of the replay.
    """

    def __init__(self, project: Path, target: Path) -> None:
        self._project = project
        self.target = target.absolute()

    def request(self, step: Any) -> Any:
        """Build the same request, reading from the project and writing to the replay."""
        changes: dict[str, Any] = {}
        for name in _OUTPUTS:
            if getattr(step, name, ""):
                changes[name] = self._output(getattr(step, name))
        for name in _INPUTS:
            value = getattr(step, name, "")
            if value:
                one = isinstance(value, str)
                changes[name] = self._input(value) if one else tuple(map(self._input, value))
        if isinstance(step, ask.TrainRequest):
            changes["annotations"] = self._strokes(step)
            changes["resume"] = False  # what it went on with is not in the replay
        return step.model_copy(update=changes)

    def _output(self, path: str) -> str:
        """Where in the replay a file of the project belongs; others by their name alone."""
        absolute = Path(path).absolute()
        inside = absolute.is_relative_to(self._project)
        relative = absolute.relative_to(self._project) if inside else Path(absolute.name)
        return str(self.target / relative)

    def _input(self, address: str) -> str:
        """Prefer what an earlier step of the replay made to the original."""
        made = Path(self._output(address))
        is_the_project = made == self.target
        return address if is_the_project or not made.exists() else str(made)

    def _strokes(self, step: ask.TrainRequest) -> tuple[str, ...]:
        """Strokes of the round, as they were when it was trained."""
        snapshot = Path(step.output).parent / "strokes.zarr"
        if snapshot.is_dir():
            return (str(snapshot),)
        return step.annotations or step.images
