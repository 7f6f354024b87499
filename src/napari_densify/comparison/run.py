"""Every method and every network on the same volume, scored on the same voxels."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_densify.annotations import sum_slices
from napari_densify.classical import (
    METHODS,
    Trial,
    Tuned,
    get_method,
    search_parameters,
    stream_method,
)
from napari_densify.comparison.case import Case
from napari_densify.comparison.commands import classical_command, predict_command
from napari_densify.comparison.entries import CompareOptions, Entry, ModelPrediction
from napari_densify.comparison.heldout import SlicesOf, choose_held_out, painted_slices
from napari_densify.comparison.outputs import write_outputs
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, LayerUpdated, Notice, Progress
from napari_densify.core.labels import ClassTable, count_labels, require_trainable
from napari_densify.core.volume import ArrayLike, Volume
from napari_densify.io import create_sink, open_labels, write_labels

__all__ = ["compare", "resolve_methods", "trials"]

_SEEN = "was trained on slices {}, which are scored here"


def compare(
    image: Volume,
    annotations: ArrayLike,
    *,
    truth: ArrayLike | None = None,
    methods: Sequence[str] = ("all",),
    model_predictions: Mapping[str, ModelPrediction | ArrayLike | str] | None = None,
    out_dir: str | Path,
    control: JobControl | None = None,
    options: CompareOptions | None = None,
) -> Iterator[Event]:
    """Run, tune and score methods beside networks, and write a report.

    Every method is tuned on the training paint alone, and all are scored on the same
    voxels: those of ``truth`` that weren't learned from, or held-out painted slices.

    Parameters
    ----------
    image
        Image.
    annotations
        Paint ``(Z, Y, X)``.
    truth
        Class codes ``(Z, Y, X)``; without one, held-out paint is the truth.
    methods
        Names of classical methods; ``all`` stands for every one.
    model_predictions
        Labels of networks by name, as arrays, paths or :class:`ModelPrediction`.
    out_dir
        Folder of the report; made if need be.
    control
        Mailbox: ``stop`` ends with a report on what is done.
    options
        Held-out slices, tuning time, classes.

    Yields
    ------
    Progress, a layer for each method that is done, notices on those that failed, and
    ``Done`` with the rows of the table and the paths of what was written.

    Raises
    ------
    InputError
        If nothing can be learned from the paint, or nothing can be scored.
    """
    control = control or JobControl()
    names = resolve_methods(methods)
    models = {k: _as_prediction(v) for k, v in (model_predictions or {}).items()}
    case = _prepare(image, annotations, truth, Path(out_dir), options or CompareOptions())
    yield from _notices(case, models)
    total = len(names) + len(models) + 1
    for number, name in enumerate([*models, *names]):
        title = name if name in models else _title(name)
        yield Progress(done=number, total=total, unit="methods", message=title)
        if control.stop:
            break
        if name in models:
            yield from _add_model(case, name, models[name])
        else:
            yield from _add_method(case, name, control)
    if control.stop and not case.entries:  # nothing to report on
        yield Done(result={}, stopped=True)
        return
    yield Progress(done=total - 1, total=total, unit="methods", message="writing the report")
    result = write_outputs(case)
    yield Done(result=result, stopped=control.stop)


def resolve_methods(methods: Sequence[str]) -> tuple[str, ...]:
    """Names of methods to be run; ``all`` stands for every one, an empty list for none.

    Raises
    ------
    InputError
        If there is no method of a name.
    """
    names: list[str] = []
    for name in methods:
        wanted = list(METHODS) if name == "all" else [name]
        for one in wanted:
            get_method(one)
            names += [one] if one not in names else []
    return tuple(names)


def _title(name: str) -> str:
    """Title of a method; one of its algorithms, asked for by name, is told apart."""
    title = get_method(name)[0].title
    return title if name.replace("-", "_") in METHODS else f"{title}: {name}"


def _as_prediction(given: ModelPrediction | ArrayLike | str) -> ModelPrediction:
    return given if isinstance(given, ModelPrediction) else ModelPrediction(given)


def _prepare(
    image: Volume,
    annotations: ArrayLike,
    truth: ArrayLike | None,
    folder: Path,
    options: CompareOptions,
) -> Case:
    _require_shape(image, annotations, "annotations")
    if truth is not None:
        _require_shape(image, truth, "truth")
    painted = painted_slices(annotations)
    held_out = options.held_out
    if truth is None and not held_out:
        held_out = choose_held_out(painted)
    _require_painted(held_out, painted)
    training = SlicesOf(annotations, frozenset(painted) - frozenset(held_out))
    counts = _count(training, sorted(training.keep))
    table = options.classes or ClassTable.from_values(counts)
    require_trainable(counts, table)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    case = Case(
        image=image,
        training=training,
        truth=SlicesOf(annotations, frozenset(held_out)) if truth is None else truth,
        classes=table,
        folder=folder,
        options=options,
        held_out=tuple(held_out),
        from_truth=truth is not None,
    )
    _write_inputs(case)
    return case


def _require_shape(image: Volume, labels: ArrayLike, what: str) -> None:
    if tuple(labels.shape) != image.shape:
        raise InputError(
            f"shape {tuple(labels.shape)} is not that of the image, {image.shape}",
            where=what,
            mend="give labels of this image, at the same resolution",
        )


def _require_painted(held_out: Sequence[int], painted: Sequence[int]) -> None:
    strange = sorted(set(held_out) - set(painted))
    if strange:
        raise InputError(
            f"slices {strange} are to be held out but hold no paint",
            where="--held-out",
            mend=f"painted slices are {list(painted)}",
        )


def _count(annotations: ArrayLike, slices: Sequence[int]) -> dict[int, int]:
    return sum_slices({z: count_labels(np.asarray(annotations[z])) for z in slices})


def _write_inputs(case: Case) -> None:
    """Write what is learned from and what is scored, so that every number can be checked."""
    facts: dict[str, Any] = {
        "spacing": case.image.spacing,
        "spacing_known": case.image.spacing_known,
        "classes": case.classes,
    }
    write_labels(case.folder / "training.tif", case.training, **facts)
    if not (case.from_truth and case.options.source.truth):
        write_labels(case.folder / "truth.tif", case.truth, **facts)


def _notices(case: Case, models: Mapping[str, ModelPrediction]) -> Iterator[Event]:
    if not case.from_truth and not case.options.held_out:
        yield Notice(message=f"scored on painted slices {list(case.held_out)}, kept from training")
    for name, model in models.items():
        if seen := _seen(case, model):
            yield Notice(
                level="warning",
                message=f"{name} {_SEEN.format(seen)}, so it gets no score; score it on slices "
                "that it has not seen (--held-out), or on a truth",
            )


def _seen(case: Case, model: ModelPrediction) -> list[int]:
    """Scored slices that a model learned from."""
    return sorted(set(model.trained_slices) & set(case.held_out))


def _add_model(case: Case, name: str, model: ModelPrediction) -> Iterator[Event]:
    labels = open_labels(model.labels) if isinstance(model.labels, str) else model.labels
    path = case.path(_file_name(name))
    array = labels.data if isinstance(labels, Volume) else labels
    _require_shape(case.image, array, name)
    write_labels(
        path,
        array,
        spacing=case.image.spacing,
        spacing_known=case.image.spacing_known,
        classes=case.classes,
    )
    seen = _seen(case, model)
    entry = Entry(
        name=path.stem,
        title=name,
        family="network",
        labels=f"labels/{path.name}",
        seconds=model.seconds,
        parameters=model.parameters,
        scores=None if seen else case.score(open_labels(path)),
        error=_SEEN.format(seen) if seen else "",
        command=predict_command(case, model.model, path.name) if model.model else "",
    )
    case.entries.append(entry)
    yield LayerUpdated(path=str(path), name=name, final=True)


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name) or "model"


def _add_method(case: Case, name: str, control: JobControl) -> Iterator[Event]:
    method, _ = get_method(name)
    entry = Entry(name=name, title=_title(name), family=method.family)
    try:
        done = yield from _run_method(case, name, entry, control)
    except InputError as error:
        yield Notice(level="warning", message=f"{method.title}: {error}")
        done = entry.model_copy(update={"error": str(error)})
    if done is not None:
        case.entries.append(done)


def _run_method(
    case: Case, name: str, entry: Entry, control: JobControl
) -> Generator[Event, None, Entry | None]:
    tuned = None
    if case.options.tune_s > 0:
        tuned = yield from trials(
            search_parameters(
                name,
                volume=case.image,
                annotations=case.training,
                classes=case.classes,
                seconds=case.options.tune_s,
                seed=case.options.seed,
                control=control,
            ),
            title=entry.title,
        )
        if control.stop:
            return None
    parameters = tuned.parameters if tuned else None
    started = time.monotonic()
    path = yield from _write_method(case, name, parameters, control)
    if path is None:
        return None
    shown = parameters.model_dump(mode="json", exclude_defaults=True) if parameters else {}
    seconds = time.monotonic() - started
    yield LayerUpdated(path=str(path), name=entry.title, final=True)
    return entry.model_copy(
        update={
            "labels": f"labels/{path.name}",
            "seconds": seconds,
            "tuning_seconds": tuned.seconds if tuned else None,
            "parameters": shown,
            "scores": case.score(open_labels(path)),
            "command": classical_command(case, name, shown),
        }
    )


def trials(search: Generator[Trial, None, Tuned], title: str = "") -> Generator[Event, None, Tuned]:
    """Turn the trials of a search into progress; return what it found."""
    message = f"{title}: tuning" if title else "tuning"
    while True:
        try:
            trial = next(search)
        except StopIteration as end:
            found: Tuned = end.value
            return found
        yield Progress(done=trial.done, total=trial.total, unit="trials", message=message)


def _write_method(
    case: Case, name: str, parameters: Any, control: JobControl
) -> Generator[Event, None, Path | None]:
    """Write a method's labels piece by piece; None if it was stopped."""
    path = case.path(name)
    sink = create_sink(
        path,
        shape=case.image.shape,
        dtype=np.uint8 if max(case.classes.values) < 256 else np.uint16,
        spacing=case.image.spacing,
        spacing_known=case.image.spacing_known,
        classes=case.classes,
    )
    try:
        for piece in stream_method(
            name,
            case.image,
            annotations=case.training,
            classes=case.classes,
            parameters=parameters,
            control=control,
        ):
            if piece.final:
                sink.write(piece.region, piece.labels)
            yield Progress(
                done=piece.done,
                total=piece.total,
                unit="pieces",
                message=_title(name),
            )
            if control.stop:
                sink.abort()
                return None
        return sink.close()
    except BaseException:
        sink.abort()
        raise
