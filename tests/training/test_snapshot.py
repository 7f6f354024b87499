"""Interrupted and resumed equals uninterrupted, bit for bit on the CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import StepDone
from napari_densify.core.settings import TrainSettings, apply_overrides
from napari_densify.core.volume import Volume
from napari_densify.networks import load_model
from napari_densify.training import Extras, TrainingSource, train
from napari_densify.training.snapshot import snapshot_path

RECIPES = {
    "auto": [],
    "sgd with everything random": [
        "preset=anisotropic", "optimiser=sgd", "augment=full", "network.dropout=0.5",
        "schedule=plateau", "schedule.patience=0.1", "norm=batch", "loss=dice-ce",
    ],
    "adam": ["preset=polyp", "optimiser=adam", "held_out=[3]"],
}  # fmt: skip


def source() -> TrainingSource:
    z, y, x = np.mgrid[:4, :40, :40]
    truth = (1 + (y // 10 + x // 13) % 2 + 0 * z).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 10, truth.shape)
    paint = np.where((z == 1) | (z == 3), truth, 0).astype(np.uint8)
    return TrainingSource(
        Volume((truth * 60 + noise).clip(0, 255).astype(np.uint8)), ArrayAnnotations(paint)
    )


def settings(recipe: str) -> TrainSettings:
    return apply_overrides(
        TrainSettings(),
        ["steps=6", "threads=1", "device=cpu", "base_channels=4", "patch=2,24,24", "batch=2",
         *RECIPES[recipe]],
    )  # fmt: skip


def run(wishes: TrainSettings, output: Path, *, stop: int = 0, resume: bool = False) -> list[float]:
    control = JobControl()
    losses = []
    for event in train(
        [source()], wishes, output=output, control=control, extras=Extras(resume=resume)
    ):
        if isinstance(event, StepDone):
            losses.append(event.loss)
            control.stop = event.step == stop
    return losses


@pytest.mark.parametrize("recipe", RECIPES)
def test_resumed_equals_uninterrupted_bit_for_bit(recipe: str, tmp_path: Path) -> None:
    wishes = settings(recipe)
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    expected = run(wishes, whole)
    first = run(wishes, parts, stop=2)
    torch.rand(7)  # whatever happens in between must not matter
    assert snapshot_path(parts).exists()
    second = run(wishes, parts, resume=True)
    assert first + second == expected
    assert len(second) == 4
    a, b = (load_model(p).network.state_dict() for p in (whole, parts))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not snapshot_path(parts).exists()  # it is finished


def test_other_settings_cannot_be_resumed(tmp_path: Path) -> None:
    output = tmp_path / "model.safetensors"
    run(settings("adam"), output, stop=2)
    other = apply_overrides(settings("adam"), ["learning_rate=0.5"])
    with pytest.raises(InputError, match="other settings"):
        run(other, output, resume=True)
    assert snapshot_path(output).exists()


def test_nothing_to_resume_and_damaged_states_are_said_in_one_line(tmp_path: Path) -> None:
    output = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match="no unfinished training"):
        run(settings("adam"), output, resume=True)
    snapshot_path(output).write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not the state of a training"):
        run(settings("adam"), output, resume=True)
