from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Event, ModelSaved, Notice, StepDone
from napari_densify.networks import load_model
from napari_densify.training import Extras, train
from napari_densify.training.sampler import Batch
from napari_densify.training.state import TrainingState
from tests.training.test_trainer import QUICK, source

SHORT = QUICK.model_copy(update={"steps": 5})


def trained(tmp_path: Path) -> list[Event]:
    return list(train([source()], SHORT, output=tmp_path / "m.safetensors"))


def messages(events: list[Event]) -> list[str]:
    return [e.message for e in events if isinstance(e, Notice) and e.level == "warning"]


def test_out_of_memory_halves_the_batch_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sizes = TrainingState.advance, []

    def advance(self: TrainingState, batch: Batch, progress: float) -> float:
        sizes.append(len(batch.image))
        if len(batch.image) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(self, batch, progress)

    monkeypatch.setattr(TrainingState, "advance", advance)
    events = trained(tmp_path)
    assert sizes == [4, 2, 1, 1, 1, 1, 1]
    assert ["2 patches" in m or "1 patches" in m for m in messages(events)] == [True, True]
    assert isinstance(events[-1], ModelSaved)
    assert events[-1].steps == 5


def test_a_single_patch_that_does_not_fit_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(self: TrainingState, batch: Batch, progress: float) -> float:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(TrainingState, "advance", advance)
    with pytest.raises(InputError, match="single patch of 1 x 32 x 32"):
        trained(tmp_path)


def test_another_error_is_not_taken_for_a_lack_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(self: TrainingState, batch: Batch, progress: float) -> float:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(TrainingState, "advance", advance)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        trained(tmp_path)


def test_a_loss_that_is_no_number_is_survived_in_float32_and_at_a_lower_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = TrainingState.advance, []

    def advance(self: TrainingState, batch: Batch, progress: float) -> float:
        calls.append(self)
        if len(calls) == 3:
            batch.image[:] = math.nan
        return real(self, batch, progress)

    monkeypatch.setattr(TrainingState, "advance", advance)
    events = trained(tmp_path)
    assert calls[0].dtype is None
    assert calls[0].damping == pytest.approx(0.3)
    assert ["float32" in m for m in messages(events)] == [True]
    assert all(math.isfinite(e.loss) for e in events if isinstance(e, StepDone))
    weights = load_model(tmp_path / "m.safetensors").network.state_dict()
    assert all(torch.isfinite(w.float()).all() for w in weights.values())


def test_a_loss_that_stays_no_number_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingState, "advance", lambda *_: math.nan)
    with pytest.raises(InputError, match="the loss is not a number"):
        trained(tmp_path)


def test_a_calmed_training_is_taken_up_calm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failed = TrainingState.advance, []

    def advance(self: TrainingState, batch: Batch, progress: float) -> float:
        if self.step == 1 and not failed:
            failed.append(self.step)
            return math.nan
        return real(self, batch, progress)

    monkeypatch.setattr(TrainingState, "advance", advance)
    target, rates = tmp_path / "m.safetensors", []
    for resume in (False, True):
        extras, control = Extras(resume=resume), JobControl()
        for event in train([source()], SHORT, output=target, control=control, extras=extras):
            if isinstance(event, StepDone):
                rates.append(event.learning_rate)
                control.stop = event.step == 2
    whole = [e.learning_rate for e in train([source()], SHORT, output=tmp_path / "w.safetensors")
             if isinstance(e, StepDone)]  # fmt: skip
    assert rates[0] == pytest.approx(whole[0])
    assert rates[1:] == pytest.approx([0.3 * rate for rate in whole[1:]])
