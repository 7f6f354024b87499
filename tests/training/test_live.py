from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.blocks import Region
from napari_densify.core.control import JobControl
from napari_densify.core.events import Event, LayerUpdated, ModelSaved, Notice, Plan, StepDone
from napari_densify.core.volume import Volume
from napari_densify.io import open_labels
from napari_densify.training import Extras, TrainingSource, train, trainer
from napari_densify.training import live as live_preview
from napari_densify.training.notices import ERASED
from napari_densify.training.quick import QuickForest
from tests.training.test_trainer import QUICK, bricks, source

VIEW: Region = (slice(2, 3), slice(0, 64), slice(0, 64))


def live(tmp_path: Path, *, resume: bool = False) -> Extras:
    return Extras(preview=tmp_path / "preview.zarr", resume=resume)


def previews(events: list[Event]) -> list[LayerUpdated]:
    return [e for e in events if isinstance(e, LayerUpdated)]


@pytest.mark.parametrize(("score", "last"), [(0.1, "step"), (1.1, "random forest")])
def test_a_forest_answers_before_the_first_step_until_the_network_is_better(
    score: float, last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QuickForest, "_cross_fit", lambda *_: score)
    control = JobControl(view=VIEW, view_generation=7)
    events = list(
        train([source()], QUICK, output=tmp_path / "m.safetensors", control=control,
              extras=live(tmp_path))
    )  # fmt: skip
    first = next(i for i, e in enumerate(events) if isinstance(e, LayerUpdated))
    assert not any(isinstance(e, StepDone) for e in events[:first])
    said = [e.message for e in previews(events)]
    assert "random forest" in said[0]
    assert last in said[-1]
    assert previews(events)[0].final
    _, truth = bricks()
    found = open_labels(tmp_path / "preview.zarr").read_labels()[2]
    assert (found == truth[2]).mean() > 0.8 or last == "step"


def test_what_the_user_has_left_is_dropped_and_what_is_looked_at_comes(tmp_path: Path) -> None:
    control = JobControl(view=VIEW, view_generation=1)
    seen = []
    for event in train(
        [source()], QUICK, output=tmp_path / "m.safetensors", control=control,
        extras=live(tmp_path),
    ):  # fmt: skip
        if isinstance(event, StepDone) and event.step == 3:
            control.view, control.view_generation = (slice(0, 6), slice(5, 6), slice(0, 64)), 2
        if isinstance(event, LayerUpdated):
            seen.append((event.generation, event.region))
    assert seen[-1] == (2, ((0, 6), (5, 6), (0, 64)))
    assert (open_labels(tmp_path / "preview.zarr").read_labels()[:, 5] > 0).all()


def test_planes_across_what_is_on_screen_are_predicted_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_preview, "_BESIDE", 1e9)  # at once: this training takes no second
    across = (slice(0, 6), slice(9, 10), slice(0, 64)), (slice(0, 6), slice(0, 64), slice(5, 6))
    control = JobControl(view=VIEW, view_generation=1, beside=across)
    events = list(
        train([source()], QUICK, output=tmp_path / "m.safetensors", control=control,
              extras=live(tmp_path))
    )  # fmt: skip
    shown = [e.region for e in previews(events)]
    assert shown.index(_bounds(VIEW)) < shown.index(_bounds(across[0]))
    assert _bounds(across[1]) in shown
    labels = open_labels(tmp_path / "preview.zarr").read_labels()
    assert (labels[:, 9] > 0).all()
    assert (labels[:, :, 5] > 0).all()


def _bounds(region: Region) -> tuple[tuple[int, int], ...]:
    return tuple((s.start, s.stop) for s in region)


def test_a_preview_says_which_strokes_it_has_learned_from(tmp_path: Path) -> None:
    image, truth = bricks()
    paint = np.zeros_like(truth)
    paint[1, :24] = truth[1, :24]
    control = JobControl(view=VIEW, view_generation=1)
    one = TrainingSource(Volume(image), ArrayAnnotations(paint))
    counted = []
    for event in train(
        [one], QUICK, output=tmp_path / "m.safetensors", control=control, extras=live(tmp_path)
    ):
        if isinstance(event, StepDone) and event.step == 2:
            paint[4] = truth[4]
            control.changed.append((slice(4, 5), slice(0, 64), slice(0, 64)))
        if isinstance(event, LayerUpdated):
            counted.append(event.strokes)
    assert counted[0] == 0
    assert counted[-1] == 1


def test_a_live_training_whose_engine_died_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "_KEEP_EVERY_S", 0.0)
    target = tmp_path / "m.safetensors"
    for event in train([source()], QUICK, output=target, extras=live(tmp_path)):
        if isinstance(event, StepDone) and event.step == 6:
            break  # as a kill: nothing is saved any more
    assert not target.exists()
    events = list(train([source()], QUICK, output=target, extras=live(tmp_path, resume=True)))
    steps = [e.step for e in events if isinstance(e, StepDone)]
    assert steps == list(range(steps[0], 13))
    assert steps[0] > 4
    assert any(isinstance(e, Notice) and "taken up again" in e.message for e in events)
    assert [p.name for p in tmp_path.glob("*.resume.safetensors")] == []


def test_a_live_training_without_a_snapshot_begins_afresh_and_says_so(tmp_path: Path) -> None:
    extras = live(tmp_path, resume=True)
    events = list(train([source()], QUICK, output=tmp_path / "m.safetensors", extras=extras))
    assert any(isinstance(e, Notice) and "training afresh" in e.message for e in events)
    assert isinstance(events[-1], ModelSaved)


def test_cost_and_resolution_are_told_before_the_first_step(tmp_path: Path) -> None:
    events = list(train([source()], QUICK, output=tmp_path / "m.safetensors"))
    plan = next(e for e in events if isinstance(e, Plan))
    assert events.index(plan) < next(i for i, e in enumerate(events) if isinstance(e, StepDone))
    assert plan.cost is not None
    assert plan.cost.host_bytes > 0
    assert plan.cost.device_bytes == 0  # on a CPU all of it is main memory
    assert plan.cost.seconds is not None
    text = plan.cost.describe()
    assert "cpu" in text
    assert "full resolution: planes of 64x64" in text


def test_a_forest_has_its_say_where_the_image_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QuickForest, "_cross_fit", lambda *_: 1.1)  # it stays beside the network
    image, truth = bricks()
    around = ((0, 8), (0, 0), (0, 0))
    one = TrainingSource(
        Volume(np.pad(image, around)),
        ArrayAnnotations(np.pad(np.where(np.arange(6)[:, None, None] == 1, truth, 0), around)),
    )
    control = JobControl(view=VIEW, view_generation=1)
    said = []
    for event in train(
        [one], QUICK, output=tmp_path / "m.safetensors", control=control, extras=live(tmp_path)
    ):
        if isinstance(event, StepDone) and event.step == 6:
            # Several slices that look the same: what the network says of one is remembered.
            control.view, control.view_generation = (slice(9, 12), *VIEW[1:]), 2
        if isinstance(event, LayerUpdated):
            said.append(event.message)
    assert any("with a random forest" in words for words in said)
    assert (open_labels(tmp_path / "preview.zarr").read_labels()[9:12] > 0).all()


def repainting(event: Event, step: int, control: JobControl) -> bool:
    """Whether it is time to paint another slice 4, told to the training at once."""
    due = isinstance(event, StepDone) and event.step == step
    if due:
        control.changed.append((slice(4, 5), slice(0, 64), slice(0, 64)))
    return due


def test_a_model_remembers_the_paint_as_it_was_last(tmp_path: Path) -> None:
    image, truth = bricks()
    paint = np.zeros_like(truth)
    for z in (1, 3, 4, 5):
        paint[z] = truth[z]
    control, target = JobControl(), tmp_path / "m.safetensors"
    one = TrainingSource(Volume(image), ArrayAnnotations(paint))
    for event in train([one], QUICK, output=target, control=control, extras=live(tmp_path)):
        if repainting(event, 2, control):
            paint[4, :4] = 1
    kept = load_file(target)
    at = kept["extra.memory.0.z"].tolist().index(4)
    assert (kept["extra.memory.0.labels"][at, :4] == 0).all()


def test_erasing_all_paint_does_not_end_a_training(tmp_path: Path) -> None:
    image, truth = bricks()
    paint = np.where(np.isin(np.arange(6), [1, 4])[:, None, None], truth, 0).astype(np.uint8)
    control, events = JobControl(), []
    one = TrainingSource(Volume(image), ArrayAnnotations(paint))
    for event in train(
        [one], QUICK, output=tmp_path / "m.safetensors", control=control, extras=live(tmp_path)
    ):
        events.append(event)
        if repainting(event, 2, control):
            paint[:] = 0
            control.changed.append((slice(1, 2), slice(0, 64), slice(0, 64)))
        if repainting(event, 6, control):
            paint[4] = truth[4]
    assert sum(isinstance(e, Notice) and e.message == ERASED for e in events) == 1
    assert isinstance(events[-1], ModelSaved)
    assert events[-1].steps == QUICK.steps


def test_no_earlier_preview_is_kept_beside_the_last(tmp_path: Path) -> None:
    leftover = tmp_path / ".preview.zarr.abcd"  # as earlier versions left some
    (leftover / "old").mkdir(parents=True)
    for _ in range(2):
        control = JobControl(view=VIEW, view_generation=7)
        list(train([source()], QUICK, output=tmp_path / "m.safetensors", control=control,
                   extras=live(tmp_path)))  # fmt: skip
    assert [p.name for p in tmp_path.iterdir() if "preview" in p.name] == ["preview.zarr"]
