"""What is learned beside the paint: of one voxel of each working cell a step."""

from __future__ import annotations

import pytest
import torch

from napari_densify.core.settings import NetworkConfig
from napari_densify.training.beside import loss_beside_paint
from napari_densify.training.plan import TrainPlan

PLAN = TrainPlan(network=NetworkConfig(), working_factor=(1, 2, 2), guidance=1.0, affinity=2.0)
LABELS = torch.full((1, 1, 16, 16), -1)
TEACHER = torch.softmax(torch.randn(1, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0)), 1)
GREY = torch.randn(1, 1, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def gradient(
    teacher: torch.Tensor | None, grey: torch.Tensor | None, seed: int, labels: torch.Tensor
) -> torch.Tensor:
    logits = torch.randn(1, 3, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    logits.requires_grad_()
    generator = torch.Generator().manual_seed(seed)
    torch.autograd.backward(loss_beside_paint(logits, labels, teacher, grey, PLAN, generator))
    assert logits.grad is not None
    return logits.grad


@pytest.mark.parametrize(("teacher", "grey"), [(TEACHER, None), (None, GREY), (TEACHER, GREY)])
def test_one_voxel_of_each_cell_is_moved_and_in_time_each(
    teacher: torch.Tensor | None, grey: torch.Tensor | None
) -> None:
    moved = torch.zeros(2, 2)
    for seed in range(20):
        cells = gradient(teacher, grey, seed, LABELS).view(1, 3, 1, 8, 2, 8, 2)
        touched = cells.abs().sum((0, 1, 2, 3, 5)) > 0  # (2, 2)
        assert int(touched.sum()) == 1
        moved += touched
    assert (moved > 0).all()


def test_paint_is_not_moved() -> None:
    labels = LABELS.clone()
    labels[..., :6] = 1
    for seed in range(4):
        found = gradient(TEACHER, GREY, seed, labels)
        assert (found[..., :6] == 0).all()
        assert (found[..., 6:] != 0).any()


def test_both_terms_are_weighed_by_the_plan() -> None:
    logits = torch.randn(1, 3, 1, 16, 16, generator=torch.Generator().manual_seed(2))

    def loss(guidance: float, affinity: float) -> float:
        plan = PLAN.model_copy(update={"guidance": guidance, "affinity": affinity})
        generator = torch.Generator().manual_seed(3)
        return float(loss_beside_paint(logits, LABELS, TEACHER, GREY, plan, generator))

    guide, pairs = loss(1.0, 0.0), loss(0.0, 1.0)
    assert min(guide, pairs) > 0
    assert loss(0.5, 2.0) == pytest.approx(0.5 * guide + 2 * pairs, rel=1e-5)


def test_without_either_nothing_is_lost_and_nothing_drawn() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert loss_beside_paint(torch.randn(1, 3, 1, 16, 16), LABELS, None, None, PLAN, generator) == 0
    assert torch.equal(generator.get_state(), before)
