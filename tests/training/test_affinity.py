from __future__ import annotations

import pytest
import torch

from napari_densify.training.affinity import affinity_loss

CELL = (1, 1, 1)


def halves(step: float) -> torch.Tensor:
    """A slice ``(1, 1, 1, 24, 24)`` whose right half is brighter."""
    grey = torch.zeros(1, 1, 1, 24, 24)
    grey[..., 12:] = step
    return grey


def confident(split: int) -> torch.Tensor:
    """Logits of two classes that meet at a column."""
    logits = torch.full((1, 2, 1, 24, 24), -20.0)
    logits[:, 0, ..., :split] = 20.0
    logits[:, 1, ..., split:] = 20.0
    return logits


def loss(logits: torch.Tensor, grey: torch.Tensor, labels: torch.Tensor | None = None) -> float:
    open_voxels = torch.full((1, 1, 24, 24), -1) if labels is None else labels
    generator = torch.Generator().manual_seed(0)
    return float(affinity_loss(logits, open_voxels, grey, CELL, generator))


def test_classes_that_meet_where_grey_values_do_cost_least() -> None:
    at_edge, beside = loss(confident(12), halves(5.0)), loss(confident(7), halves(5.0))
    assert at_edge < 0.01
    assert beside > 10 * at_edge
    assert loss(confident(0), halves(5.0)) == pytest.approx(0)  # all of one class


def test_an_edge_stronger_than_the_noise_separates() -> None:
    assert loss(confident(12), halves(0.0)) > 2 * loss(confident(12), halves(1.0))


def test_unsure_voxels_cost_more_than_sure_ones() -> None:
    assert loss(torch.zeros(1, 2, 1, 24, 24), halves(5.0)) > loss(confident(12), halves(5.0))


def test_paint_pulls_but_is_not_moved() -> None:
    logits = torch.randn(1, 3, 1, 24, 24, requires_grad=True)
    labels = torch.full((1, 1, 24, 24), -1)
    labels[..., :8] = 1
    generator = torch.Generator().manual_seed(0)
    torch.autograd.backward(affinity_loss(logits, labels, halves(1.0), CELL, generator))
    assert logits.grad is not None
    assert (logits.grad[..., :8] == 0).all()
    assert (logits.grad[..., 8:] != 0).any()


def test_whole_slices_cost_nothing() -> None:
    painted = torch.zeros(1, 1, 24, 24, dtype=torch.long)
    assert loss(torch.randn(1, 2, 1, 24, 24), halves(1.0), painted) == 0


def test_cells_are_looked_at_once_each() -> None:
    logits, labels = torch.randn(2, 3, 1, 32, 32), torch.full((2, 1, 32, 32), -1)
    grey = torch.randn(2, 1, 1, 16, 16)
    values = [
        affinity_loss(x, y, grey, cell, torch.Generator().manual_seed(1))
        for x, y, cell in (
            (logits, labels, (1, 2, 2)),
            (logits[..., ::2, ::2], labels[..., ::2, ::2], CELL),
        )
    ]
    torch.testing.assert_close(*values)
