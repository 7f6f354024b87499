"""Onlookers of a training: they write its numbers down, and end it when it gains no more."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Event, HeldOutScore, Notice, Plan, Progress, StepDone

__all__ = ["log_folder", "logged", "stopped_early"]

_RATES = ("dice", "iou", "precision", "recall", "bce")


def log_folder(model: Path) -> Path:
    """Where the numbers of a training are written: beside its model."""
    return model.with_name(f"{model.stem}.log")


def logged(
    events: Iterator[Event],
    kind: Literal["none", "csv", "tensorboard"],
    folder: Path,
    *,
    resume: bool = False,
) -> Iterator[Event]:
    """Pass events on and write losses, learning rates and held-out scores down.

    Parameters
    ----------
    kind
        ``csv``: steps.csv and held_out.csv; ``tensorboard``: a TensorBoard run.
    folder
        Where to write; made if it doesn't exist.
    resume
        Go on with the tables that there are.

    Raises
    ------
    InputError
        If TensorBoard is not installed.
    """
    if kind == "none":
        yield from events
        return
    writer: _Writer = (
        _CsvWriter(folder, resume=resume) if kind == "csv" else _open_tensorboard(folder)
    )
    try:
        for event in events:
            if isinstance(event, StepDone):
                row = {"loss": event.loss, "learning_rate": event.learning_rate}
                writer.write("steps", event.step, event.elapsed_s, row)
            elif isinstance(event, HeldOutScore):
                writer.write("held_out", event.step, event.elapsed_s, _score_row(event))
            yield event
    finally:
        writer.close()


def stopped_early(
    events: Iterator[Event], control: JobControl, patience: float | None
) -> Iterator[Event]:
    """Pass events on; say that it is enough when held-out Dice gains no more.

    Parameters
    ----------
    events, control
        One training and its mailbox; the word of an earlier one is forgotten.
    patience
        Share of the budget without a better score after which it stops; None: as the
        plan says, which may be never.
    """
    control.enough = False
    best, best_at, progress = -math.inf, 0.0, 0.0
    slices: tuple[int, ...] = ()
    for event in events:
        yield event
        if isinstance(event, Plan) and patience is None:
            patience = event.plan.get("early_stop")
        if patience is None or control.stop or control.enough:
            continue
        if isinstance(event, Progress) and event.unit == "training":
            progress = event.done / event.total
        elif isinstance(event, HeldOutScore) and not math.isnan(event.mean_dice):
            if event.mean_dice > best or event.slices != slices:
                best, best_at, slices = event.mean_dice, progress, event.slices
            elif progress < 1 and progress - best_at >= patience:
                control.enough = True
                yield Notice(
                    message=f"stopped: held-out Dice has not risen above {best:.3f} "
                    f"for {progress - best_at:.0%} of the training"
                )


def _score_row(event: HeldOutScore) -> dict[str, float]:
    rates = {rate: getattr(event, rate) for rate in _RATES}
    classes = sorted({value for row in rates.values() for value in row})
    # A class that was never predicted has no precision yet, but keeps its column.
    columns = {
        f"{rate}_{value}": row.get(value, math.nan)
        for rate, row in rates.items()
        for value in classes
    }
    return {"mean_dice": event.mean_dice, **columns}


class _Writer(Protocol):
    def write(self, table: str, step: int, elapsed_s: float, row: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class _CsvWriter:
    """One table a kind of event; each line is on disk at once."""

    def __init__(self, folder: Path, *, resume: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._resume = folder, resume
        self._files: dict[str, Any] = {}
        self._tables: dict[str, csv.DictWriter[str]] = {}

    def write(self, table: str, step: int, elapsed_s: float, row: dict[str, float]) -> None:
        line = {"step": step, "elapsed_s": round(elapsed_s, 3), **row}
        if table not in self._tables:
            self._begin(table, list(line))
        self._tables[table].writerow(line)
        self._files[table].flush()

    def _begin(self, table: str, columns: list[str]) -> None:
        path = self._folder / f"{table}.csv"
        known = _header(path) if self._resume else []
        mode = "a" if known else "w"
        self._files[table] = path.open(mode, newline="", encoding="utf-8")
        writer = csv.DictWriter(self._files[table], known or columns, extrasaction="ignore")
        if not known:
            writer.writeheader()
        self._tables[table] = writer

    def close(self) -> None:
        for stream in self._files.values():
            stream.close()


def _header(path: Path) -> list[str]:
    """Columns of a table; none if it isn't there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return next(csv.reader(stream), [])


class _TensorBoardWriter:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, table: str, step: int, elapsed_s: float, row: dict[str, float]) -> None:
        for name, value in row.items():
            if not math.isnan(value):
                self._writer.add_scalar(f"{table}/{name}", value, step)

    def close(self) -> None:
        self._writer.close()


def _open_tensorboard(folder: Path) -> _TensorBoardWriter:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "TensorBoard is not installed", where="--set log", mend="pip install tensorboard"
        ) from None
    return _TensorBoardWriter(SummaryWriter(str(folder)))
