"""Every preset, narrowed, trains on paint, is saved, loaded and predicts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.events import Plan, StepDone
from napari_densify.core.settings import TrainSettings, apply_overrides
from napari_densify.core.volume import Volume
from napari_densify.inference.predictor import Predictor
from napari_densify.networks import load_model
from napari_densify.training import TrainingSource, train
from napari_densify.training.presets import PRESETS

PATCHES = {
    "paper-3d": "92,92,92",
    "paper-2d": "1,188,188",
    "paper-2.5d": "3,188,188",
    "sandstone": "16,32,32",
    "vnet": "16,32,32",
    "residual": "4,32,32",
    "deep-supervised": "16,32,32",
    "anisotropic": "4,32,32",
}
SLOW = {"paper-3d"}


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Noisy checkerboard and its classes."""
    z, y, x = np.mgrid[:6, :48, :48]
    truth = (1 + (y // 12 + x // 16) % 2 + 0 * z).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 10, truth.shape)
    return (truth * 60 + noise).clip(0, 255).astype(np.uint8), truth


def wishes(preset: str, steps: int) -> TrainSettings:
    return apply_overrides(
        TrainSettings(),
        [f"preset={preset}", "base_channels=4", f"steps={steps}", "threads=1", "device=cpu",
         f"patch={PATCHES.get(preset, '1,32,32')}"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "preset", [pytest.param(p, marks=pytest.mark.slow if p in SLOW else ()) for p in PRESETS]
)
def test_preset_trains_and_predicts(preset: str, tmp_path: Path) -> None:
    image, truth = scene()
    paint = np.zeros_like(truth)
    paint[2] = truth[2]
    output = tmp_path / "model.safetensors"
    source = TrainingSource(Volume(image), ArrayAnnotations(paint))
    events = list(train([source], wishes(preset, 2), output=output))
    losses = [e.loss for e in events if isinstance(e, StepDone)]
    assert len(losses) == 2
    assert all(np.isfinite(losses))
    assert losses[0] > 0  # the paint lies where the network gives logits
    plan = next(e for e in events if isinstance(e, Plan))
    assert PRESETS[preset].title in plan.explanation
    model = load_model(output)
    predictor = Predictor(model.network, model.spec, Volume(image), device=torch.device("cpu"))
    scores = predictor.predict_region((slice(1, 4), slice(0, 30), slice(5, 48)))
    assert scores.shape == (2, 3, 30, 43)
    np.testing.assert_allclose(scores.sum(0), 1, atol=1e-4)
    assert scores.std() > 0


@pytest.mark.parametrize("head", ["sigmoid", "softmax"])
@pytest.mark.parametrize("preset", ["polyp", "sandstone"])
def test_either_head_gives_probabilities_of_every_class(
    preset: str, head: str, tmp_path: Path
) -> None:
    image, truth = scene()
    truth = truth + (image > 125)  # a third class
    paint = np.zeros_like(truth)
    paint[2] = truth[2]
    output = tmp_path / "model.safetensors"
    settings = apply_overrides(
        wishes(preset, 2), [f"network.head={head}", f"loss={'bce' if head == 'sigmoid' else 'ce'}"]
    )
    list(train([TrainingSource(Volume(image), ArrayAnnotations(paint))], settings, output=output))
    model = load_model(output)
    assert model.spec.network.head == head
    predictor = Predictor(model.network, model.spec, Volume(image), device=torch.device("cpu"))
    scores = predictor.predict_region((slice(1, 4), slice(0, 32), slice(0, 32)))
    assert scores.shape == (3, 3, 32, 32)
    np.testing.assert_allclose(scores.sum(0), 1, atol=1e-4)
    logits = model.network(torch.zeros(1, 1, 16, 32, 32))
    assert logits.shape == (1, 3, 16, 32, 32)


def test_a_preset_learns(tmp_path: Path) -> None:
    image, truth = scene()
    paint = np.zeros_like(truth)
    paint[2] = truth[2]
    output = tmp_path / "model.safetensors"
    settings = apply_overrides(
        wishes("anisotropic", 40), ["batch=2", "learning_rate=0.01", "base_channels=8"]
    )
    list(train([TrainingSource(Volume(image), ArrayAnnotations(paint))], settings, output=output))
    model = load_model(output)
    predictor = Predictor(model.network, model.spec, Volume(image), device=torch.device("cpu"))
    scores = predictor.predict_region((slice(0, 6), slice(0, 48), slice(0, 48)))
    codes = np.array(model.spec.classes.values)[scores.argmax(0)]
    unpainted = [0, 1, 3, 4, 5]
    assert (codes[unpainted] == truth[unpainted]).mean() > 0.9
