"""The best checkpoint is what held-out paint says it is, and it is what is saved."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.errors import InputError
from napari_densify.core.events import Event, HeldOutScore, Notice
from napari_densify.core.settings import TrainSettings, apply_overrides
from napari_densify.core.volume import Volume
from napari_densify.inference.predictor import Predictor
from napari_densify.networks import load_model
from napari_densify.training import TrainingSource, train
from napari_densify.training.best import BestWeights
from napari_densify.training.gauge import score_paint


def score(step: int, dice: float) -> HeldOutScore:
    return HeldOutScore(step=step, elapsed_s=step, dice={1: dice}, mean_dice=dice)


def test_the_first_of_the_best_is_kept_whatever_comes_later() -> None:
    best, weights = BestWeights(), {"w": torch.zeros(1)}
    for step, dice in enumerate([float("nan"), 0.4, 0.7, 0.7, 0.1]):
        weights["w"].fill_(step)  # as training does, in place
        best.offer(score(step, dice), weights)
    assert best.weights["w"].item() == 2
    assert best.score is not None
    assert best.score.step == 2


def test_scores_on_other_slices_begin_anew() -> None:
    best = BestWeights()
    for slices, dice in (((3,), 0.9), ((3, 7), 0.5), ((3, 7), 0.4)):
        given = score(1, dice).model_copy(update={"slices": slices})
        best.offer(given, {"w": torch.tensor([dice])})
    assert best.weights["w"].item() == 0.5


def source() -> TrainingSource:
    z, y, x = np.mgrid[:4, :40, :40]
    truth = (1 + (y // 10 + x // 13) % 2 + 0 * z).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 10, truth.shape)
    paint = np.where((z == 1) | (z == 3), truth, 0).astype(np.uint8)
    image = (truth * 60 + noise).clip(0, 255).astype(np.uint8)
    return TrainingSource(Volume(image), ArrayAnnotations(paint))


def run(output: Path, *wishes: str, sources: Sequence[TrainingSource] = ()) -> list[Event]:
    settings = apply_overrides(
        TrainSettings(),
        ["threads=1", "device=cpu", "base_channels=4", "patch=1,24,24", "batch=2", *wishes],
    )
    return list(train(sources or [source()], settings, output=output))


def test_the_saved_model_scores_what_the_best_moment_scored(tmp_path: Path) -> None:
    """A rate that wrecks the network at the end: its best moment comes before."""
    output = tmp_path / "m.safetensors"
    events = run(output, "preset=polyp", "steps=20", "held_out=[3]", "learning_rate=0.03",
                 "schedule=constant")  # fmt: skip
    scores = [e for e in events if isinstance(e, HeldOutScore)]
    assert len(scores) > 3
    best = max(s.mean_dice for s in scores)
    assert scores[-1].mean_dice == best  # the last one is that of the saved weights
    model = load_model(output)
    assert model.spec.training["kept_step"] == scores[-1].step
    one = source()
    predictor = Predictor(model.network, model.spec, one.volume, device=torch.device("cpu"))
    again = score_paint(predictor, one.annotations, (3,))
    assert again.mean_dice == pytest.approx(best)
    assert again.bce == pytest.approx(scores[-1].bce)


def test_nothing_to_choose_by_is_said(tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    said = [e.message for e in run(output, "keep=best", "steps=1") if isinstance(e, Notice)]
    assert any("none with paint are held out" in text for text in said)
    assert load_model(output).spec.training["kept_step"] == 1


def test_several_networks_have_no_best_moment_in_common(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="keep=best picks the weights of one network, not of 2"):
        run(tmp_path / "m.safetensors", "keep=best", "members=2", "steps=1", "held_out=[3]")


def test_held_out_slices_are_scored_wherever_they_are_painted(tmp_path: Path) -> None:
    one, second = source(), source()
    paint = one.annotations.read((slice(0, 4), slice(0, 40), slice(0, 40)))
    paint[3] = 0  # held out, and painted in the second volume only
    first = TrainingSource(one.volume, ArrayAnnotations(paint))
    wishes = "steps=10", "held_out=[3]", "features=false"
    output = tmp_path / "m.safetensors"
    scores = [e for e in run(output, *wishes, sources=[first, second])
              if isinstance(e, HeldOutScore)]  # fmt: skip
    assert [s.slices for s in scores] == [(3,)] * len(scores)
    assert {s.voxels for s in scores} == {1600}
    both = run(output, *wishes, sources=[second, source()])
    assert {e.voxels for e in both if isinstance(e, HeldOutScore)} == {3200}
    said = [e.message for e in run(output, *wishes, sources=[first]) if isinstance(e, Notice)]
    assert any("none of the held-out slices is painted" in text for text in said)
