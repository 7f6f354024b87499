"""Numbers on disk, and the end of a training that gains nothing."""

import csv
import math
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Event, HeldOutScore, Notice, Progress, StepDone
from napari_densify.training.watch import log_folder, logged, stopped_early


def score(step: int, dice: float) -> HeldOutScore:
    rates = {1: dice, 2: dice / 2}
    return HeldOutScore(
        step=step, elapsed_s=step, mean_dice=dice, dice=rates, iou=rates, precision=rates,
        recall=rates, bce=rates,
    )  # fmt: skip


def training(dice: list[float], control: JobControl) -> Iterator[Event]:
    for step, value in enumerate(dice, start=1):
        if control.over:
            return
        yield StepDone(step=step, loss=1 / step, learning_rate=0.1, elapsed_s=step)
        yield Progress(done=step, total=len(dice), unit="training")
        yield score(step, value)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_tables_hold_every_step_and_every_class(tmp_path: Path) -> None:
    events = list(training([0.4, 0.5, 0.6], JobControl()))
    assert list(logged(iter(events), "csv", tmp_path / "a.log")) == events
    steps, held_out = (rows(tmp_path / "a.log" / f"{n}.csv") for n in ("steps", "held_out"))
    assert [float(r["loss"]) for r in steps] == [1, 1 / 2, 1 / 3]
    assert [r["step"] for r in held_out] == ["1", "2", "3"]
    assert float(held_out[2]["mean_dice"]) == 0.6
    assert float(held_out[2]["recall_2"]) == 0.3
    assert {
        f"{r}_{v}" for r in ("dice", "iou", "precision", "recall", "bce") for v in (1, 2)
    } <= set(held_out[0])


def test_a_class_never_predicted_keeps_its_column(tmp_path: Path) -> None:
    first = score(1, 0.4).model_copy(update={"precision": {1: 0.4}})
    list(logged(iter([first, score(2, 0.5)]), "csv", tmp_path))
    found = rows(tmp_path / "held_out.csv")
    assert [r["precision_2"] for r in found] == ["nan", "0.25"]


def test_a_line_is_on_disk_before_the_next_step(tmp_path: Path) -> None:
    events = logged(training([0.4, 0.5], JobControl()), "csv", tmp_path)
    next(events)
    assert len(rows(tmp_path / "steps.csv")) == 1
    events.close()  # type: ignore[attr-defined]


def test_nothing_is_written_unasked(tmp_path: Path) -> None:
    folder = log_folder(tmp_path / "model.safetensors")
    assert folder == tmp_path / "model.log"
    list(logged(training([0.4], JobControl()), "none", folder))
    assert not folder.exists()


class _Board:
    """Stands for TensorBoard's writer, which is not among what tests install."""

    made: "list[_Board]" = []  # noqa: RUF012

    def __init__(self, folder: str) -> None:
        self.folder, self.scalars, self.closed = folder, [], False
        self.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def close(self) -> None:
        self.closed = True


def test_tensorboard_gets_every_number_but_those_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.SimpleNamespace(SummaryWriter=_Board)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    first = score(1, 0.4).model_copy(update={"precision": {1: 0.4}})
    events = [StepDone(step=1, loss=0.7, learning_rate=0.1, elapsed_s=1), first]
    assert list(logged(iter(events), "tensorboard", tmp_path / "run")) == events
    board = _Board.made.pop()
    assert board.folder == str(tmp_path / "run")
    assert board.closed
    assert ("steps/loss", 0.7, 1) in board.scalars
    assert ("held_out/iou_2", 0.2, 1) in board.scalars
    assert ("held_out/recall_1", 0.4, 1) in board.scalars
    assert not any(name == "held_out/precision_2" for name, *_ in board.scalars)


def test_missing_tensorboard_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        list(logged(training([0.4], JobControl()), "tensorboard", tmp_path))


@pytest.mark.parametrize(
    ("patience", "dice", "steps"),
    [
        (0.3, [0.1, 0.5, 0.4, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 5),
        (0.3, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 10),
        (None, [0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 10),
    ],
)
def test_a_training_ends_once_it_gains_nothing(
    patience: float | None, dice: list[float], steps: int
) -> None:
    control = JobControl()
    events = list(stopped_early(training(dice, control), control, patience))
    assert sum(isinstance(e, StepDone) for e in events) == steps
    assert control.enough == (steps < 10)
    assert not control.stop  # nobody interrupted it
    notices = [e.message for e in events if isinstance(e, Notice)]
    assert len(notices) == (steps < 10)
    if notices:
        assert "0.500" in notices[0]


def test_a_training_is_not_told_at_its_end_that_it_was_cut_short() -> None:
    control = JobControl()
    events = list(stopped_early(training([0.5, 0.4], control), control, 0.5))
    assert not any(isinstance(e, Notice) for e in events)
    assert not control.enough


def test_the_next_training_is_not_ended_by_what_was_said_of_the_last() -> None:
    control = JobControl(enough=True)
    events = list(stopped_early(training([0.4, 0.5], control), control, 0.5))
    assert sum(isinstance(e, StepDone) for e in events) == 2


def test_a_resumed_training_goes_on_with_its_tables(tmp_path: Path) -> None:
    events = list(training([0.4, 0.5, 0.6], JobControl()))
    for part, resume in ((events[:3], False), (events[3:], True)):
        list(logged(iter(part), "csv", tmp_path, resume=resume))
    for name in ("steps", "held_out"):
        assert [r["step"] for r in rows(tmp_path / f"{name}.csv")] == ["1", "2", "3"]


def test_what_cannot_be_scored_ends_nothing() -> None:
    control = JobControl()
    list(stopped_early(training([math.nan] * 10, control), control, 0.2))
    assert not control.enough


def test_scores_on_other_slices_are_not_compared() -> None:
    control = JobControl()

    def harder(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            late = isinstance(event, HeldOutScore) and event.step > 5
            yield event.model_copy(update={"slices": (3, 7)}) if late else event

    dice = [0.5, 0.6, 0.7, 0.8, 0.9, 0.5, 0.6, 0.7, 0.8, 0.85]
    list(stopped_early(harder(training(dice, control)), control, 0.2))
    assert not control.enough
