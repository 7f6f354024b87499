from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError, Interrupted
from napari_densify.core.events import HeldOutScore, LayerUpdated, ModelSaved, Notice, StepDone
from napari_densify.core.fingerprint import checksum
from napari_densify.core.settings import TrainSettings
from napari_densify.core.volume import Volume
from napari_densify.io import open_labels
from napari_densify.networks import load_model
from napari_densify.training import Extras, TrainingSource, train, trainer
from napari_densify.training.sampler import Batch
from napari_densify.training.state import TrainingState

QUICK = TrainSettings(
    steps=12, patch=(1, 32, 32), batch=4, base_channels=8, depth=2, seed=1, device="cpu"
)


def bricks() -> tuple[np.ndarray, np.ndarray]:
    """Bright bricks on a dark ground, 6 slices."""
    z, y, x = np.mgrid[:6, :64, :64]
    truth = (1 + ((y // 16 + x // 16) % 2) + 0 * z).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 12, truth.shape)
    return (60 + 60 * truth + noise).clip(0, 255).astype(np.uint8), truth


def source(*, painted: tuple[int, ...] = (1, 4), swap: bool = False) -> TrainingSource:
    image, truth = bricks()
    paint = np.zeros_like(truth)
    for z in painted:
        paint[z] = 3 - truth[z] if swap else truth[z]
    return TrainingSource(Volume(image), ArrayAnnotations(paint))


def test_it_learns_and_the_model_rebuilds_itself(tmp_path: Path) -> None:
    events = list(train([source()], QUICK, output=tmp_path / "m.safetensors"))
    losses = [e.loss for e in events if isinstance(e, StepDone)]
    assert len(losses) == 12
    assert np.mean(losses[-3:]) < 0.5 * losses[0]
    assert isinstance(events[-1], ModelSaved)
    assert load_model(tmp_path / "m.safetensors").spec.training["steps"] == 12


def test_held_out_slices_are_scored_and_never_trained_on(tmp_path: Path) -> None:
    image, truth = bricks()
    paint = np.zeros_like(truth)
    paint[1] = truth[1]
    paint[4] = 3 - truth[4]  # wrong on purpose: trained on, it would spoil everything
    one = TrainingSource(Volume(image), ArrayAnnotations(paint))
    settings = QUICK.model_copy(update={"held_out": (4,), "steps": 30})
    events = list(train([one], settings, output=tmp_path / "m.safetensors"))
    score = [e for e in events if isinstance(e, HeldOutScore)][-1]
    assert score.slices == (4,)
    assert score.voxels == 64 * 64
    assert score.mean_dice < 0.2  # it learned the truth, so it contradicts slice 4


def test_the_budget_counts_from_its_start_and_is_kept(tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"steps": None, "budget_s": 5.0})
    began = time.monotonic()
    events = list(train([source()], settings, output=tmp_path / "m.safetensors", started=began))
    assert time.monotonic() - began < 6.5
    assert sum(isinstance(e, StepDone) for e in events) > 1


@pytest.mark.parametrize("passed", [True, False])
def test_a_cpu_with_amx_trains_in_what_was_rehearsed(
    passed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    rehearsal = SimpleNamespace(passed=lambda **_: passed, end=lambda: None)
    monkeypatch.setattr(trainer, "begin_rehearsal", lambda plan, device: rehearsal)
    output = tmp_path / "m.safetensors"
    settings = QUICK.model_copy(update={"steps": 2})
    dtypes = set()
    advance = TrainingState.advance

    def watched(self: TrainingState, batch: Batch, progress: float) -> float:
        dtypes.add(self.dtype)
        return advance(self, batch, progress)

    monkeypatch.setattr(TrainingState, "advance", watched)
    list(train([source()], settings, output=output))
    assert dtypes == {torch.bfloat16 if passed else None}


def test_a_stopped_training_saves_its_model(tmp_path: Path) -> None:
    control = JobControl()
    for event in train([source()], QUICK, output=tmp_path / "m.safetensors", control=control):
        control.stop |= isinstance(event, StepDone) and event.step >= 3
    assert load_model(tmp_path / "m.safetensors").spec.training["steps"] == 3


def test_new_strokes_are_used_without_a_restart(tmp_path: Path) -> None:
    image, truth = bricks()
    paint = np.zeros_like(truth)
    paint[1, :8], paint[1, 8:24] = truth[1, :8], truth[1, 8:24]
    control = JobControl()
    one = TrainingSource(Volume(image), ArrayAnnotations(paint))
    seen = []
    for event in train([one], QUICK, output=tmp_path / "m.safetensors", control=control):
        if isinstance(event, StepDone):
            seen.append(event.loss)
            if event.step == 3:
                paint[4] = 3 - truth[4]  # contradicts what was learned so far
                control.changed.append((slice(4, 5), slice(0, 64), slice(0, 64)))
    assert max(seen[3:]) > seen[2]
    record = load_model(tmp_path / "m.safetensors").spec.training
    assert record["learned"] == {checksum(one.volume): [1, 4]}


def test_the_slice_on_screen_is_predicted_while_training(tmp_path: Path) -> None:
    control = JobControl(view=(slice(2, 3), slice(0, 64), slice(0, 64)), view_generation=7)
    path = tmp_path / "preview.zarr"
    events = list(
        train(
            [source()],
            QUICK,
            output=tmp_path / "m.safetensors",
            control=control,
            extras=Extras(preview=path),
        )
    )
    updates = [e for e in events if isinstance(e, LayerUpdated)]
    assert updates
    assert updates[0].generation == 7
    assert updates[0].role == "preview"
    labels = open_labels(path).read_labels()
    assert set(np.unique(labels[2])) <= {1, 2}
    assert (labels[0] == 0).all()


@pytest.mark.parametrize(("painted", "reason"), [((), "no voxel is annotated"), ((1,), "only one")])
def test_paint_that_teaches_nothing_is_refused(
    painted: tuple[int, ...], reason: str, tmp_path: Path
) -> None:
    image, truth = bricks()
    paint = np.zeros_like(truth)
    for z in painted:
        paint[z] = 2
    one = TrainingSource(Volume(image), ArrayAnnotations(paint))
    with pytest.raises(InputError, match=reason):
        list(train([one], QUICK, output=tmp_path / "m.safetensors"))
    assert not (tmp_path / "m.safetensors").exists()


def strokes() -> TrainingSource:
    """Two slices with more paint on a small class than on the wide ground around it."""
    z, y, x = np.mgrid[:6, :64, :64]
    truth = (1 + ((y // 8 % 4 == 0) & (x // 8 % 4 == 0)) + 0 * z).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 12, truth.shape)
    paint = np.where((truth == 2) | (y % 4 == 1) & (x % 8 < 2), truth, 0).astype(np.uint8)
    paint[[0, 2, 3, 5]] = 0
    image = (60 + 30 * truth + noise).clip(0, 255).astype(np.uint8)
    return TrainingSource(Volume(image), ArrayAnnotations(paint))


@pytest.mark.parametrize(
    ("what", "wishes", "corrected"),
    [
        (strokes, {}, True),
        (strokes, {"frequencies": False}, False),
        (strokes, {"features": False}, False),
        (strokes, {"keep": "best", "held_out": (4,)}, False),
        (source, {}, False),
    ],
    ids=["strokes", "off", "no-features", "best", "whole-slices"],
)
def test_frequencies_are_corrected_where_parts_of_slices_are_painted(
    what: Callable[[], TrainingSource], wishes: dict[str, Any], corrected: bool, tmp_path: Path
) -> None:
    small = {"base_channels": 4, "patch": (1, 16, 16), "steps": 2}
    settings = QUICK.model_copy(update=small | wishes)
    list(train([what()], settings, output=tmp_path / "m.safetensors"))
    spec = load_model(tmp_path / "m.safetensors").spec
    shift, shares = spec.class_shift, spec.frequencies
    assert bool(shift) is bool(shares) is corrected
    if corrected:
        assert shift[1] < shift[0]  # the small class is rarer than painted
        assert shares[1] < shares[0]
        assert sum(shares) == pytest.approx(1)


def test_stopped_before_the_first_step_nothing_is_written_over(tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    output.write_bytes(b"a good model")
    with pytest.raises(Interrupted):
        list(train([source()], QUICK, output=output, control=JobControl(stop=True)))
    assert output.read_bytes() == b"a good model"


def test_a_class_painted_on_the_way_is_named_once(tmp_path: Path) -> None:
    image, truth = bricks()
    paint = np.where(np.arange(6)[:, None, None] == 1, truth, 0).astype(np.uint8)
    control, said = JobControl(), []
    one = TrainingSource(Volume(image), ArrayAnnotations(paint))
    for event in train([one], QUICK, output=tmp_path / "m.safetensors", control=control):
        said += [event.message] if isinstance(event, Notice) else []
        if isinstance(event, StepDone) and event.step in (3, 5):
            paint[4, event.step] = 7
            control.changed.append((slice(4, 5), slice(0, 64), slice(0, 64)))
    assert sum("class 7 was not painted" in text for text in said) == 1


def test_a_held_out_slice_painted_on_the_way_is_scored(tmp_path: Path) -> None:
    image, truth = bricks()
    paint = np.where(np.arange(6)[:, None, None] == 1, truth, 0).astype(np.uint8)
    control, scores = JobControl(), []
    one = TrainingSource(Volume(image), ArrayAnnotations(paint))
    settings = QUICK.model_copy(update={"held_out": (4,)})
    for event in train([one], settings, output=tmp_path / "m.safetensors", control=control):
        scores += [event.slices] if isinstance(event, HeldOutScore) else []
        if isinstance(event, StepDone) and event.step == 3:
            paint[4] = truth[4]
            control.changed.append((slice(4, 5), slice(0, 64), slice(0, 64)))
    assert set(scores) == {(4,)}
