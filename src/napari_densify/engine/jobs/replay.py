"""``replay``: what was done in a project, done again without a viewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_densify.annotations import AnnotationStore
from napari_densify.core import requests as ask
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError, Interrupted
from napari_densify.core.events import Done, Event, Log, StepDone
from napari_densify.core.files import remove_tree
from napari_densify.core.model_file import read_spec
from napari_densify.core.settings import TrainSettings
from napari_densify.engine.jobs import classical, compare, export, instances, predict, train
from napari_densify.engine.outputs import require_folder
from napari_densify.engine.record import recorded_requests
from napari_densify.engine.sources import is_project

if TYPE_CHECKING:
    from napari_densify.project.updates import Repainted

__all__ = ["run"]

_JOBS: dict[type[Any], Callable[[Any, JobControl], Iterator[Event]]] = {
    ask.TrainRequest: train.run,
    ask.PredictRequest: predict.run,
    ask.ClassicalRequest: classical.run,
    ask.CompareRequest: compare.run,
    ask.InstancesRequest: instances.run,
    ask.ExportRequest: export.run,
}
_OUTPUTS = ("output", "objects", "uncertainty")
_INPUTS = ("images", "image", "annotations", "model", "models", "prediction", "init")


def run(request: ask.ReplayRequest, control: JobControl) -> Iterator[Event]:
    """Do every recorded step again; the project itself is only read.

    New files go to a folder laid out like the project. Each training learns from
    the strokes of its own round, those that came on the way after the same step,
    and later steps use the models made here.
    """
    from napari_densify.project import Project

    if not is_project(request.project):
        raise InputError("is not a project", where=request.project, mend="name a .densify folder")
    project = Project.open(request.project, read_only=True)
    moved = _Moved(project.path, Path(request.output or f"{project.path.with_suffix('')}-replay"))
    steps = list(recorded_requests(project.history()))
    if not steps:
        raise InputError("its history holds nothing to do again", where=request.project)
    if moved.target.exists() and moved.target.samefile(project.path):
        raise InputError(
            "is the project itself, which is only read", where="--output", mend="name a new folder"
        )
    require_folder(moved.target)
    done: list[dict[str, Any]] = []
    for number, step in enumerate(steps, start=1):
        if control.stop:
            break
        again = moved.request(step)
        yield Log(message=f"step {number} of {len(steps)}: {step.kind}")
        events = _done_again(step, again, control)
        try:
            yield from (event for event in events if not isinstance(event, Done))
        except Interrupted:
            break
        done.append({"step": number, "kind": step.kind, "output": again.output})
    result = {"steps": done, "output": str(moved.target)}
    yield Done(result=result, stopped=control.stop)


def _done_again(step: Any, again: Any, control: JobControl) -> Iterator[Event]:
    """Run a step; strokes that came while a round was trained come after the same step."""
    from napari_densify.project import Round

    events = _JOBS[type(step)](again, control)
    if not isinstance(step, ask.TrainRequest):
        return events
    before, made = (Round(Path(s.output).parent) for s in (step, again))
    later = dict(before.updates.read()) if before.strokes.is_dir() else {}
    if not later:
        return events
    return _painted_meanwhile(events, later, AnnotationStore(made.strokes), control)


def _painted_meanwhile(
    events: Iterator[Event],
    later: Mapping[int, list[Repainted]],
    strokes: AnnotationStore,
    control: JobControl,
) -> Iterator[Event]:
    """Paint on the replay's own copy of the strokes what was painted on the way."""
    for event in events:
        boxes = later.get(event.step, []) if isinstance(event, StepDone) else []
        for box in boxes:
            strokes.write(box.region, box.labels)
            control.changed.append(box.region)
        if boxes:
            strokes.close()
        yield event


def _as_wide(step: ask.TrainRequest) -> TrainSettings:
    """Ask for the width of the network that was trained, and for as many of them.

    What is left open is decided by the time there is, and a replay goes by steps.
    """
    wished = step.settings
    if step.init:
        return wished  # as wide as the model to start from
    try:
        spec = read_spec(step.output)
    except InputError:
        return wished  # its model is gone
    found: dict[str, Any] = {}
    if spec.training.get("settings", {}).get("steps") is None:  # it went by time
        found["members"] = wished.members or spec.network.members
    if not wished.base_channels and wished.preset in ("auto", "fast"):
        found["base_channels"] = spec.network.encoder[0][0]
    return wished.model_copy(update=found)


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
        reads_maps = isinstance(step, ask.ClassicalRequest)
        for name in _OUTPUTS if reads_maps else (*_OUTPUTS, "probabilities"):
            if getattr(step, name, ""):
                changes[name] = self._output(getattr(step, name))
        for name in (*_INPUTS, "probabilities") if reads_maps else _INPUTS:
            value = getattr(step, name, "")
            if value:
                one = isinstance(value, str)
                changes[name] = self._input(value) if one else tuple(map(self._input, value))
        if isinstance(step, ask.CompareRequest):
            named = step.predictions.items()
            changes["predictions"] = {name: self._input(path) for name, path in named}
        if isinstance(step, ask.TrainRequest):
            changes["annotations"] = self._strokes(step)
            changes["settings"] = _as_wide(step)
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
        """Annotations of a training, with the strokes as they were when its round began."""
        from napari_densify.project import Round

        began_with, made = (Round(Path(p).parent) for p in (step.output, self._output(step.output)))
        annotations = step.annotations or step.images
        if not began_with.strokes.is_dir():
            return annotations
        remove_tree(made.strokes)
        AnnotationStore(began_with.strokes, read_only=True).snapshot(made.strokes)
        own, alone = str(made.strokes), len(annotations) == 1
        return tuple(own if alone or began_with.belongs_to(a) else a for a in annotations)
