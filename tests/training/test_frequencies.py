"""Frequencies of classes are found from answers that expect other ones."""

import numpy as np
import pytest
import torch

from napari_densify.core.blocks import Region, region_shape
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import TrainSettings
from napari_densify.core.volume import Volume
from napari_densify.inference.inputs import class_scores
from napari_densify.training.crops import Crop
from napari_densify.training.facts import Facts
from napari_densify.training.frequencies import (
    class_shift,
    estimate_frequencies,
    expected_frequencies,
    learned_frequencies,
    windows,
)
from napari_densify.training.plan import resolve_plan
from napari_densify.training.sampler import PatchSampler
from napari_densify.training.spec import spec_from_plan


def answers(true: tuple[float, ...], learned: np.ndarray, count: int = 20_000) -> np.ndarray:
    """Posteriors of a perfect classifier that expects ``learned``, on data that are as ``true``."""
    random = np.random.default_rng(0)
    classes = random.choice(len(true), count, p=true)
    seen = classes + random.normal(0, 0.6, count)
    likelihood = np.exp(-((seen - np.arange(len(true))[:, None]) ** 2) / (2 * 0.6**2))
    posterior = likelihood * learned[:, None]
    return posterior / posterior.sum(0)


@pytest.mark.parametrize("true", [(0.9, 0.1), (0.75, 0.2, 0.05), (0.5, 0.5)])
def test_frequencies_are_found_whatever_was_expected(true: tuple[float, ...]) -> None:
    learned = np.full(len(true), 1 / len(true))
    found = estimate_frequencies(answers(true, learned), learned)
    assert found.sum() == pytest.approx(1)
    expected = 0.95 * np.array(true) + 0.05 * learned  # some of what was learned stays
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_a_class_that_no_answer_names_keeps_a_share() -> None:
    learned = np.array([0.5, 0.5])
    found = estimate_frequencies(np.tile([[1.0], [0.0]], 100), learned)
    assert found[1] == pytest.approx(0.025)


def sampler(*, teacher: bool) -> PatchSampler:
    labels = torch.full((2, 16, 16), -1, dtype=torch.int16)
    labels[:, 2:6, 2:6], labels[:, 10:12, 2:6] = 0, 1
    guide = torch.zeros(2, 2, 16, 16, dtype=torch.float16)
    guide[0], guide[1] = 0.75, 0.25
    crop = Crop(
        image=torch.zeros(1, 2, 16, 16), features=None, labels=labels, origin=(0, 0, 0),
        teacher=guide if teacher else None,
    )  # fmt: skip
    return PatchSampler([crop], (1, 16, 16), (1, 1, 1), classes=2)


def test_learned_frequencies_are_those_of_weighted_paint_and_its_guide() -> None:
    paint = learned_frequencies(sampler(teacher=False), 4, torch.tensor([1.0, 1.0]), 1.0)
    np.testing.assert_allclose(paint, [2 / 3, 1 / 3], atol=1e-6)
    even = learned_frequencies(sampler(teacher=False), 4, torch.tensor([1.0, 2.0]), 1.0)
    np.testing.assert_allclose(even, [0.5, 0.5], atol=1e-6)
    guided = learned_frequencies(sampler(teacher=True), 4, torch.tensor([1.0, 2.0]), 1.0)
    np.testing.assert_allclose(guided, [0.625, 0.375], atol=1e-3)


def test_the_guide_expects_what_it_answers_on_painted_slices() -> None:
    crops = sampler(teacher=True).crops
    np.testing.assert_allclose(expected_frequencies(crops), [0.75, 0.25], atol=1e-3)
    assert expected_frequencies(sampler(teacher=False).crops) is None


class Unsure:
    """A predictor that has seen a class only where it is easy, and names it nowhere."""

    volume = Volume(np.zeros((4, 32, 32), np.uint8))
    spec = ModelSpec.model_construct(planar=True)

    def predict_region(self, region: Region) -> np.ndarray:
        return np.stack([np.full(region_shape(region), p, np.float32) for p in (0.98, 0.02)])


def test_no_class_is_made_rarer_than_the_guide_expects() -> None:
    learned = np.array([0.6, 0.4])
    free = class_shift([Unsure()], learned, seed=0)
    assert free[1] < -1.5
    held = class_shift([Unsure()], learned, seed=0, expected=np.array([0.8, 0.2]))
    share = 0.2 / (0.2 + 0.98)  # what is left of the guide's 0.2 beside the network's 0.98
    assert held[1] == pytest.approx(np.log(share / learned[1]) + 0.5, abs=0.02)
    rare = class_shift([Unsure()], learned, seed=0, expected=np.array([0.9, 0.001]))
    assert rare[1] == pytest.approx(free[1])


@pytest.mark.parametrize("planar", [True, False])
def test_windows_lie_inside_and_reach_both_ends(planar: bool) -> None:
    shape = (40, 300, 120)
    places = windows(shape, planar=planar, seed=0)
    for place in places:
        assert all(0 <= s.start < s.stop <= n for s, n in zip(place, shape, strict=True))
    assert places[0][0].start == 0
    assert places[-1][0].stop == 40
    assert windows((1, 9, 9), planar=True, seed=0)[0] == (slice(0, 1), slice(0, 9), slice(0, 9))


def spec() -> ModelSpec:
    plan = resolve_plan(TrainSettings(), Facts(shape=(8, 64, 64), classes=2))
    return spec_from_plan(
        plan, classes=ClassTable.default(), spacing=(1.0, 1.0, 1.0), spacing_known=False,
        image_channels=1,
    )  # fmt: skip


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_the_shift_multiplies_the_odds(head: str) -> None:
    plain = spec()
    plain = plain.model_copy(update={"network": plain.network.model_copy(update={"head": head})})
    shifted = plain.model_copy(update={"class_shift": (float(np.log(4)), 0.0)})
    logits = torch.randn(2, 2, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    before, after = class_scores(logits, plain), class_scores(logits, shifted)
    torch.testing.assert_close(after.sum(1), torch.ones(2, 1, 3, 3))
    torch.testing.assert_close(after[:, 0] / after[:, 1], 4 * before[:, 0] / before[:, 1])
