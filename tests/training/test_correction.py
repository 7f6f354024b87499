"""Logits are corrected where classes were not painted as often as they are."""

import numpy as np
import pytest
import torch

from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import TrainSettings
from napari_densify.inference.inputs import class_scores
from napari_densify.training.correction import (
    fitting_share,
    learned_frequencies,
    matching_shift,
    windows,
)
from napari_densify.training.crops import Crop
from napari_densify.training.facts import Facts
from napari_densify.training.plan import resolve_plan
from napari_densify.training.sampler import PatchSampler
from napari_densify.training.spec import spec_from_plan


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


def network(confidence: float, learned: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """Answers, after learning such frequencies, on data of which a tenth is of class 1."""
    random = np.random.default_rng(0)
    seen = (random.random(20_000) < 0.1) + random.normal(0, 0.4, 20_000)
    odds = (seen - 0.5) / 0.4**2 + np.log(learned[1] / learned[0])
    rare = 1 / (1 + np.exp(-confidence * odds))
    return np.stack([1 - rare, rare])


def test_a_network_that_has_learned_is_shifted_as_far_as_theory_says() -> None:
    true = np.array([0.9, 0.1])
    assert fitting_share(network(1.0), np.log(true / 0.5), true) == 1
    assert fitting_share(network(1.0), np.zeros(2), true) == 1


def test_a_network_that_has_learned_little_is_shifted_less() -> None:
    true = np.array([0.9, 0.1])
    shift = np.log(true / 0.5)
    share = fitting_share(network(0.1), shift, true)
    assert share < 0.5
    whole, less = (
        float(((np.log(network(0.1)) + s * shift[:, None]).argmax(0) == 1).mean())
        for s in (1, share)
    )
    assert abs(less - 0.1) < abs(whole - 0.1)


@pytest.mark.parametrize("confidence", [1.0, 0.1])
def test_a_matching_shift_makes_it_name_classes_as_often_as_they_are(confidence: float) -> None:
    answers = network(confidence, learned=(0.2, 0.8))
    assert (answers.argmax(0) == 1).mean() > 0.15
    shift = matching_shift(answers, np.array([0.9, 0.1]))
    named = (np.log(answers) + shift[:, None]).argmax(0)
    assert (named == 1).mean() == pytest.approx(0.1, abs=0.01)
    assert shift.sum() == pytest.approx(0)


@pytest.mark.parametrize("planar", [True, False])
def test_windows_lie_on_painted_slices_inside_their_crop(planar: bool) -> None:
    labels = torch.full((20, 300, 120), -1, dtype=torch.int16)
    labels[[0, 5, 12, 19], 150, 60] = 1
    border = ((2, 0), (0, 10), (4, 0))
    crop = Crop(
        image=torch.zeros(1, 1, 1, 1), features=None, labels=labels, origin=(28, 7, -4),
        source=1, border=border,
    )  # fmt: skip
    turned = Crop(image=torch.zeros(1, 1, 1, 1), features=None, labels=labels, origin=(0,) * 3,
                  source=2)  # fmt: skip
    places = windows([crop, turned], 2, planar=planar, seed=0)
    assert {number for number, _ in places} == {1}
    for _, (z, y, x) in places:
        assert 30 <= z.start < z.stop <= 48
        assert 7 <= y.start < y.stop <= 297
        assert 0 <= x.start < x.stop <= 116
        assert any(z.start <= painted < z.stop for painted in (33, 40, 47))
    assert windows([turned], 2, planar=planar, seed=0) == []


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
