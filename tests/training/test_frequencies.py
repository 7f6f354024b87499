"""Frequencies of classes are told from strokes that show them more often than they are."""

import numpy as np
import pytest
import torch

from napari_densify.training.crops import Crop
from napari_densify.training.frequencies import estimate_frequencies, maximise_likelihood


def answers(true: tuple[float, ...], count: int = 20_000) -> np.ndarray:
    """Posteriors of a perfect classifier that takes all classes as alike, of such data."""
    random = np.random.default_rng(0)
    seen = random.choice(len(true), count, p=true) + random.normal(0, 0.6, count)
    likelihood = np.exp(-((seen[:, None] - np.arange(len(true))) ** 2) / (2 * 0.6**2))
    return likelihood / likelihood.sum(1, keepdims=True)


@pytest.mark.parametrize("true", [(0.9, 0.1), (0.75, 0.2, 0.05), (0.5, 0.5)])
def test_frequencies_of_calibrated_answers_are_found(true: tuple[float, ...]) -> None:
    found = maximise_likelihood(answers(true), rounds=200)
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, true, atol=0.02)


def test_a_search_that_ends_early_is_on_its_way() -> None:
    none, few, many = (maximise_likelihood(answers((0.9, 0.1)), rounds=n)[1] for n in (0, 5, 200))
    assert none == 0.5
    assert many < few < none


def stroked(
    rare: float = 0.1, *, count: int = 12, slices: int = 3, edge: int = 96, spread: float = 0.5
) -> Crop:
    """As many strokes of a rare class as of the wide one; features tell them apart roughly."""
    random = np.random.default_rng(0)
    truth = np.repeat(np.repeat(random.random((slices, edge // 8, edge // 8)) < rare, 8, 1), 8, 2)
    labels = np.full(truth.shape, -1, np.int16)
    for z in range(slices):
        for code in (0, 1):
            for y, x in random.permutation(np.argwhere(truth[z, ::8, ::8] == code))[:count] * 8:
                labels[z, y + 2 : y + 6, x + 2 : x + 6] = code
    features = truth + random.normal(0, spread, (4, *truth.shape))
    return Crop(
        image=torch.zeros(1, *truth.shape), features=torch.from_numpy(features).half(),
        labels=torch.from_numpy(labels), origin=(7, -3, 5),
    )  # fmt: skip


@pytest.mark.parametrize("rare", [0.05, 0.1, 0.3])
def test_a_class_that_was_painted_too_often_is_found_to_be_rare(rare: float) -> None:
    crop = stroked(rare)
    true = float((crop.features.float().mean(0) > 0.5).float().mean())
    found = estimate_frequencies([crop], 2, (1, 1, 1))
    assert found.sum() == pytest.approx(1)
    assert abs(np.log(found[1] / true)) < 0.5


def test_the_same_paint_tells_the_same() -> None:
    first, again = (estimate_frequencies([stroked()], 2, (1, 1, 1), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_several_crops_tell_together() -> None:
    one = stroked()
    halves = [
        Crop(
            image=one.image[..., half], features=one.features[..., half],
            labels=one.labels[..., half], origin=(7, -3, 5 + half.start),
        )
        for half in (slice(0, 16), slice(16, 96))
    ]  # fmt: skip
    together = estimate_frequencies([one], 2, (1, 1, 1))
    np.testing.assert_allclose(estimate_frequencies(halves, 2, (1, 1, 1)), together, atol=0.05)


def test_a_rare_class_that_is_painted_completely_is_not_taken_to_be_missing() -> None:
    crop = stroked(0.05, spread=0.2)
    truth = crop.features.float().mean(0) > 0.5
    crop.labels[truth] = 1
    true = float(truth.float().mean())
    found = estimate_frequencies([crop], 2, (1, 1, 1))
    assert abs(np.log(found[1] / true)) < 0.3


def test_a_stroke_in_two_crops_is_one() -> None:
    one = stroked(count=1, slices=1)
    again = Crop(image=one.image, features=one.features, labels=one.labels, origin=one.origin)
    assert estimate_frequencies([one, again], 2, (1, 1, 1)) is None


def test_too_few_strokes_tell_nothing() -> None:
    assert estimate_frequencies([stroked(count=1, slices=1)], 2, (1, 1, 1)) is None
    whole = stroked()
    whole.labels.clamp_(min=0)
    assert estimate_frequencies([whole], 2, (1, 1, 1)) is None


def test_few_strokes_tell_of_large_differences_alone() -> None:
    assert estimate_frequencies([stroked(0.4, count=2)], 2, (1, 1, 1)) is None
    found = estimate_frequencies([stroked(0.05, count=2)], 2, (1, 1, 1))
    assert found is not None
    assert found[1] < 0.2  # as much was painted of both
