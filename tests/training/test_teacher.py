from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_densify.training.crops import Crop
from napari_densify.training.teacher import guide_loss, painted_share, teach


def stroked_crop() -> Crop:
    """Two halves that differ in a feature; one short stroke in each, on slice 1 of 3."""
    random = np.random.default_rng(0)
    features = random.normal(0, 0.1, (2, 3, 16, 16)).astype(np.float16)
    features[0, :, :, 8:] += 2
    labels = np.full((3, 32, 32), -1, np.int16)
    labels[1, 4:8, 4:8], labels[1, 4:8, 24:28] = 0, 1
    image = torch.zeros((1, 3, 32, 32), dtype=torch.float16)
    return Crop(image, torch.from_numpy(features), torch.from_numpy(labels), (0, 0, 0))


def test_the_forest_continues_the_strokes_over_their_slice_only() -> None:
    (crop,) = teach([stroked_crop()], 2, (1, 2, 2))
    assert crop.teacher is not None
    assert crop.teacher.shape == (2, 3, 16, 16)
    assert (crop.teacher[:, [0, 2]] == 0).all()
    best = crop.teacher[:, 1].argmax(0)
    assert (best[:, :7] == 0).all()
    assert (best[:, 9:] == 1).all()


def test_painted_voxels_are_not_guided() -> None:
    logits = torch.randn(1, 2, 1, 4, 4, requires_grad=True)
    labels = torch.full((1, 1, 4, 4), -1)
    labels[0, 0, 0] = 1
    teacher = torch.full((1, 2, 1, 2, 2), 0.5)
    torch.autograd.backward(guide_loss(logits, labels, teacher))
    assert logits.grad is not None
    assert (logits.grad[0, :, 0, 0] == 0).all()
    assert (logits.grad[0, :, 0, 1:] != 0).any()


def test_slices_without_an_opinion_cost_nothing() -> None:
    logits = torch.randn(1, 2, 2, 4, 4)
    labels = torch.full((1, 2, 4, 4), -1)
    assert guide_loss(logits, labels, torch.zeros(1, 2, 2, 4, 4)) == 0


def test_the_teachers_own_opinion_is_the_best_answer() -> None:
    teacher = torch.softmax(torch.randn(1, 3, 1, 4, 4), 1)
    labels = torch.full((1, 1, 4, 4), -1)
    agreed = guide_loss(teacher.log(), labels, teacher)
    assert agreed < guide_loss(torch.randn(1, 3, 1, 4, 4), labels, teacher)


def test_share_counts_painted_slices_only() -> None:
    assert painted_share([stroked_crop()]) == pytest.approx(32 / 1024)


def test_opinions_are_weighed_to_be_as_frequent_as_wished() -> None:
    crop = stroked_crop()
    assert crop.features is not None
    crop.features[0] += torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    (plain,) = teach([crop], 2, (1, 2, 2))
    (weighed,) = teach([crop], 2, (1, 2, 2), frequencies=np.array([0.8, 0.2]))
    assert plain.teacher is not None
    assert weighed.teacher is not None
    assert (weighed.teacher[:, [0, 2]] == 0).all()
    sums = weighed.teacher[:, 1].float().sum(0)
    torch.testing.assert_close(sums, torch.ones(16, 16), atol=2e-3, rtol=0)
    assert float(weighed.teacher[1, 1].float().mean()) == pytest.approx(0.2, abs=0.01)
    gained = weighed.teacher[0, 1] >= plain.teacher[0, 1] - 2e-3
    assert bool(gained.all())  # everywhere in the same direction
