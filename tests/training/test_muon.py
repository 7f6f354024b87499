from __future__ import annotations

import torch

from napari_densify.training.muon import Muon, orthogonalised


def test_singular_values_end_near_one() -> None:
    matrix = torch.randn(16, 45, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrix, 10))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_directions_are_kept() -> None:
    matrix = torch.randn(40, 12, generator=torch.Generator().manual_seed(1))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    nearest = u @ v
    cosine = (orthogonalised(matrix, 10) * nearest).sum() / nearest.square().sum()
    assert 0.8 < cosine < 1.25


@torch.no_grad()
def test_the_length_of_a_step_does_not_depend_on_the_gradient_scale() -> None:
    gradient = torch.randn(16, 4, 1, 3, 3, generator=torch.Generator().manual_seed(0))

    def step(scale: float) -> torch.Tensor:
        kernel = torch.nn.Parameter(torch.zeros_like(gradient))
        kernel.grad = gradient * scale
        Muon([kernel], lr=0.1).step()
        return kernel.detach()

    torch.testing.assert_close(step(1e-3), step(1e3), rtol=1e-2, atol=1e-4)
    assert ((step(1.0) * gradient).sum() < 0).all()


def test_small_parameters_move_too() -> None:
    bias = torch.nn.Parameter(torch.zeros(4))
    optimiser = Muon([bias], lr=0.1)
    bias.grad = torch.ones(4)
    optimiser.step()
    assert (bias < 0).all()
