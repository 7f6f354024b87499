"""Small cubic volumes are predicted along three axes, and only they."""

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.blocks import full_region
from napari_densify.core.settings import PredictSettings, TrainSettings
from napari_densify.core.volume import Spacing, Volume
from napari_densify.inference.predictor import Predictor
from napari_densify.inference.triplanar import TriplanarPredictor, suits_triplanar
from napari_densify.inference.volume import make_predictor, write_block
from napari_densify.networks import LoadedModel, load_model
from napari_densify.training import TrainingSource, train

CUBIC: Spacing = (8.0, 8.0, 8.0)
QUICK = PredictSettings(device="cpu", mirrors=1, precision="float32")


def balls() -> tuple[np.ndarray, np.ndarray]:
    z, y, x = np.mgrid[:32, :40, :48]
    truth = 1 + (((z % 16 - 8) ** 2 + (y % 20 - 10) ** 2 + (x % 16 - 8) ** 2) < 40)
    noise = np.random.default_rng(0).normal(0, 20, truth.shape)
    return (60.0 * truth + noise).clip(0, 255).astype(np.uint8), truth.astype(np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Trained on one plane in each direction."""
    image, truth = balls()
    paint = np.zeros_like(truth)
    paint[8], paint[:, 10], paint[:, :, 8] = truth[8], truth[:, 10], truth[:, :, 8]
    source = TrainingSource(
        Volume(image, spacing=CUBIC, spacing_known=True), ArrayAnnotations(paint)
    )
    settings = TrainSettings(steps=25, batch=4, base_channels=8, depth=2, device="cpu")
    path = Path(tmp_path_factory.mktemp("model")) / "m.safetensors"
    list(train([source], settings, output=path))
    return load_model(path)


def test_one_plane_in_each_direction_is_enough_for_balls(model: LoadedModel) -> None:
    image, truth = balls()
    volume = Volume(image, spacing=CUBIC, spacing_known=True)
    predictor = make_predictor(model.network, model.spec, volume, QUICK, extra=model.extra)
    assert isinstance(predictor, TriplanarPredictor)
    found = predictor.predict_region(full_region(volume.shape))
    assert np.allclose(found.sum(0), 1, atol=1e-4)
    ball, guess = truth == 2, found.argmax(0) == 1
    assert (ball & guess).sum() / (ball | guess).sum() > 0.7


def test_it_is_the_weighted_mean_of_the_turned_predictions(model: LoadedModel) -> None:
    image, _ = balls()
    spec = model.spec.model_copy(update={"remembers": ()})
    volume = Volume(image, spacing=CUBIC, spacing_known=True)
    found = make_predictor(model.network, spec, volume, QUICK).predict_region(
        full_region(volume.shape)
    )
    wanted = np.zeros_like(found)
    for axes, weight in (((0, 1, 2), 0.5), ((1, 0, 2), 0.25), ((2, 1, 0), 0.25)):
        turned = Volume(np.ascontiguousarray(image.transpose(axes)))
        plain = Predictor(
            model.network, spec, turned, device=torch.device("cpu"), precision="float32"
        )
        answer = plain.predict_region(full_region(turned.shape))
        wanted += weight * answer.transpose(0, *(1 + a for a in axes))
    assert np.allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "spacing", "suits"),
    [
        ((32, 40, 48), CUBIC, True),
        ((9, 40, 48), CUBIC, False),
        ((32, 40, 48), (40.0, 8.0, 8.0), False),
        ((400, 400, 400), CUBIC, False),
    ],
)
def test_only_small_deep_cubic_volumes_are_suited(
    model: LoadedModel, shape: tuple[int, int, int], spacing: Spacing, suits: bool
) -> None:
    data = np.broadcast_to(np.uint8(0), shape)
    volume = Volume(data, spacing=spacing, spacing_known=True)
    assert suits_triplanar(model.spec, volume, full_region(shape)) is suits
    whole = write_block(QUICK, volume, model.spec) == shape
    assert whole or not suits
    assert not whole or np.prod(shape) < 4e6
