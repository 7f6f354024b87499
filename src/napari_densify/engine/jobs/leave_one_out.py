"""``train --leave-one-out``: how well such a model does on volumes that it never saw."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError, Interrupted
from napari_densify.core.events import Done, Event, HeldOutScore, Log
from napari_densify.core.requests import TrainRequest
from napari_densify.core.settings import PredictSettings
from napari_densify.engine.jobs.train import train_to
from napari_densify.engine.sources import Painted

__all__ = ["run"]

_RATES = ("dice", "iou", "precision", "recall", "bce")


def run(
    target: Path, request: TrainRequest, sources: list[Painted], control: JobControl
) -> Iterator[Event]:
    """Train on all volumes; then, for each volume, on the others, and score its paint.

    A time budget is shared evenly by all these trainings, so that the scores are those
    of models as long trained as the one that is kept. A stop ends the scoring; the
    model of all volumes is there by then.

    Raises
    ------
    InputError
        If there is only one volume.
    """
    if len(sources) < 2:
        raise InputError(
            "leaving one volume out needs at least two",
            where="--leave-one-out",
            mend="name more images, or hold out slices with --held-out",
        )
    shares = _Shares(request, control, 1 + len(sources))
    result: dict[str, Any] = {}
    for event in train_to(target, shares.next(), sources, control):
        if isinstance(event, Done):
            result = event.result
        else:
            yield event
    rows: list[dict[str, Any]] = []
    for number, (name, source) in enumerate(zip(request.images, sources, strict=True), start=1):
        if control.stop:
            break
        yield Log(message=f"without {name} ({number} of {len(sources)})")
        scratch = target.with_name(f".{target.stem}.without-{number}.safetensors")
        others = [other for other in sources if other is not source]
        try:
            began = time.monotonic()
            events = train_to(scratch, shares.next(), others, control, started=began)
            yield from (e for e in events if not isinstance(e, Done))
            score = _score(scratch, source, sources, request)
        except Interrupted:
            break  # what earlier volumes scored is kept
        finally:
            scratch.unlink(missing_ok=True)
        if not control.stop:  # else it was hardly trained
            yield score
            rows.append({"volume": name, **score.model_dump(exclude={"job", "kind"})})
    result["leave_one_out"] = rows
    if rows:
        result["leave_one_out_table"] = str(_write(target, rows))
    yield Done(result=result, stopped=control.stop)


class _Shares:
    """Gives each training its share of what is left of a time budget; of steps, all."""

    def __init__(self, request: TrainRequest, control: JobControl, trainings: int) -> None:
        from napari_densify.training.plan import DEFAULT_BUDGET_S

        self._request, self._control, self._left = request, control, trainings
        self._first = True
        self._budget = request.settings.budget_s or DEFAULT_BUDGET_S

    def next(self) -> TrainRequest:
        """Return the request of the next training; it goes on from no earlier state."""
        first, self._first = self._first, False
        spent = 0.0 if first else self._control.elapsed()
        share = max(self._budget - spent, 1.0) / self._left
        self._left -= 1
        settings = self._request.settings
        if settings.steps is None:
            settings = settings.model_copy(update={"budget_s": share})
        if not first:
            settings = settings.model_copy(update={"log": "none"})
        return self._request.model_copy(
            update={"settings": settings, "live": self._request.live and first,
                    "resume": self._request.resume and first}
        )  # fmt: skip


def _score(
    model: Path, source: Painted, sources: list[Painted], request: TrainRequest
) -> HeldOutScore:
    """Predict a volume where it is painted, as ``predict`` does, and score the paint."""
    from napari_densify.inference.volume import make_predictor
    from napari_densify.networks import load_model
    from napari_densify.training.gauge import score_paint

    loaded, wishes = load_model(model), request.settings
    settings = PredictSettings(
        device=wishes.device, precision=wishes.precision, threads=wishes.threads
    )
    predictor = make_predictor(
        loaded.network, loaded.spec, source.volume, settings, extra=loaded.extra
    )
    painted = source.annotations.slice_counts()
    classes = sorted({v for s in sources for v, n in s.annotations.counts().items() if n})
    score = score_paint(predictor, source.annotations, tuple(painted), classes)
    steps = int(loaded.spec.training.get("steps", 0))
    return score.model_copy(update={"step": steps})


def _write(target: Path, rows: list[dict[str, Any]]) -> Path:
    """Write the scores as a table beside the model."""
    from napari_densify.training.watch import log_folder

    path = log_folder(target) / "leave_one_out.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    classes = sorted({value for row in rows for value in row["dice"]})
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(
            ["volume", "voxels", "mean_dice", *(f"{r}_{v}" for r in _RATES for v in classes)]
        )
        for row in rows:
            rates = (row[r].get(v, math.nan) for r in _RATES for v in classes)
            table.writerow([row["volume"], row["voxels"], row["mean_dice"], *rates])
    return path
