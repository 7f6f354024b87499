"""``train``: one model from the paint of one or more volumes."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from napari_densify.core.blocks import region_of
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import (
    Done,
    Event,
    HeldOutScore,
    ModelSaved,
    Notice,
    StepDone,
    StrokesTaken,
)
from napari_densify.core.labels import ClassTable
from napari_densify.core.requests import TrainRequest
from napari_densify.engine.outputs import require_writable
from napari_densify.engine.sources import (
    Painted,
    as_in_project,
    is_project,
    open_painted,
    require_slices,
)

__all__ = ["run"]


def run(request: TrainRequest, control: JobControl) -> Iterator[Event]:
    """Train and save a model; a stopped training saves what it has learned."""
    target = require_writable(request.output, suffixes=(".safetensors",))
    sources = open_sources(request)
    if request.project_held_out and not request.settings.held_out:
        request = yield from _hold_out_as_projects_do(request, sources)
    if request.leave_one_out:
        from napari_densify.engine.jobs import leave_one_out

        yield from leave_one_out.run(target, request, sources, control)
    else:
        yield from _begin_round(target, request)
        yield from train_to(target, request, sources, control)


def open_sources(request: TrainRequest) -> list[Painted]:
    """Open every image with its annotations.

    Raises
    ------
    InputError
        If there are not as many annotations as images, one cannot be used, or channels
        are chosen of a project.
    """
    annotations = request.annotations or tuple("" for _ in request.images)
    if len(annotations) != len(request.images):
        raise InputError(
            f"{len(request.images)} image(s) but {len(annotations)} annotation(s)",
            where="--annotations",
            mend="give one for each image, in the same order",
        )
    settings = request.settings
    project = next((image for image in request.images if is_project(image)), None)
    if project and settings.channels is not None:
        raise InputError(
            f"the channels of {project} were chosen when it was made",
            where="--channels",
            mend=f"leave it out, or name the image itself, with --annotations {project}",
        )
    sources = [
        open_painted(
            image,
            paint,
            spacing=request.spacing,
            level=settings.level,
            channels=settings.channels,
        )
        for image, paint in zip(request.images, annotations, strict=True)
    ]
    require_slices(settings.held_out, max(source.volume.shape[0] for source in sources))
    return sources


def _hold_out_as_projects_do(
    request: TrainRequest, sources: Sequence[Painted]
) -> Generator[Event, None, TrainRequest]:
    """Train on no slice that a project keeps for scoring; say so."""
    kept = tuple(sorted({z for source in sources for z in source.held_out}))
    if not kept:
        return request
    yield as_in_project(kept)
    settings = request.settings.model_copy(update={"held_out": kept})
    return request.model_copy(update={"settings": settings})


def train_to(
    target: Path,
    request: TrainRequest,
    sources: list[Painted],
    control: JobControl,
    *,
    started: float | None = None,
) -> Iterator[Event]:
    """Train on opened sources; pass the events on and end with ``Done``, or ``Interrupted``.

    Parameters
    ----------
    target
        Model file.
    request
        Settings and voxel size.
    sources
        Volumes with their paint.
    control
        Mailbox of the job.
    started
        ``time.monotonic()`` at which the budget began; by default with the job.
    """
    from napari_densify.training import Extras, TrainingSource, train
    from napari_densify.training.watch import log_folder, logged, stopped_early

    last: dict[type[Event], Event] = {}
    updates: list[dict[str, Any]] = []
    events = train(
        [TrainingSource(s.volume, s.annotations, name=s.address) for s in sources],
        request.settings,
        output=target,
        classes=common_classes(sources),
        control=control,
        started=control.started_monotonic if started is None else started,
        extras=Extras(
            init=Path(request.init) if request.init else None,
            preview=_preview(request, target) if request.live else None,
            resume=request.resume,
        ),
    )
    watched = stopped_early(events, control, request.settings.early_stop)
    kind, folder = request.settings.log, log_folder(target)
    for event in logged(watched, kind, folder, resume=request.resume):
        last[type(event)] = event
        yield event
        if isinstance(event, StrokesTaken):
            updates.append(event.model_dump(mode="json", include={"step", "regions"}))
            yield from _keep_strokes(target, event, sources[0])
    saved, step, score = (last.get(t) for t in (ModelSaved, StepDone, HeldOutScore))
    result = {"model": str(target), "seconds": round(control.elapsed(), 1)}
    if isinstance(saved, ModelSaved):
        result["steps"] = saved.steps
    if isinstance(step, StepDone):
        result["loss"] = step.loss
    if isinstance(score, HeldOutScore):
        result["held_out"] = score.model_dump(exclude={"job", "kind"})
    if updates:
        result["stroke_updates"] = updates
    yield Done(result=result, stopped=control.stop)


def _begin_round(target: Path, request: TrainRequest) -> Iterator[Event]:
    """Let a round begin with the strokes of this moment: the training may have waited.

    It waits behind other jobs, or is taken up again after the engine was lost.
    """
    from napari_densify.project import Round

    made = Round(target.parent)
    addresses = request.annotations or request.images
    if not made.strokes.is_dir() or not any(made.belongs_to(address) for address in addresses):
        return  # no round of a project, or one that is done again with its own strokes
    try:
        made.begin(made.project_annotations())
    except OSError as error:
        yield _not_kept(error)


def _not_kept(error: Exception) -> Notice:
    # The training is worth more than a record of it.
    return Notice(level="warning", message=f"strokes are not kept with the round: {error}")


def _keep_strokes(target: Path, taken: StrokesTaken, source: Painted) -> Iterator[Event]:
    """Keep with a round what came on its way, so that it can be done again as it was."""
    from napari_densify.project import Round

    made = Round(target.parent)
    if not made.strokes.is_dir():
        return  # not a round of a project
    try:
        made.updates.add(taken.step, list(map(region_of, taken.regions)), source.annotations)
    except (OSError, InputError) as error:
        yield _not_kept(error)


def _preview(request: TrainRequest, target: Path) -> Path:
    """Where the slice on screen is written while training goes on."""
    folder = Path(request.project) if request.project else target.parent
    return folder / "preview.zarr"


def common_classes(sources: list[Painted]) -> ClassTable | None:
    """Class table of the first source that has one."""
    return next((s.classes for s in sources if s.classes is not None), None)
