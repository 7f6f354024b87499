"""What a step learns from voxels beside the paint: from a guide, and from like grey values.

Both terms are rough, and the same over a working cell or nearly so: they look at one voxel
of each cell, another one at each step, for a quarter of the time that all voxels take.
"""

from __future__ import annotations

import torch

from napari_densify.training.affinity import affinity_loss
from napari_densify.training.plan import TrainPlan
from napari_densify.training.teacher import guide_loss

__all__ = ["loss_beside_paint"]


def loss_beside_paint(
    logits: torch.Tensor,
    labels: torch.Tensor,
    teacher: torch.Tensor | None,
    grey: torch.Tensor | None,
    plan: TrainPlan,
    generator: torch.Generator,
) -> torch.Tensor:
    """Sum of the terms beside the paint, as the plan weighs them.

    Parameters
    ----------
    logits
        ``(N, K, Z, Y, X)`` float32.
    labels
        ``(N, Z, Y, X)``, -1 where not annotated.
    teacher
        Opinions ``(N, K, z, y, x)`` of a guide on the working grid; None without one.
    grey
        ``(N, C, z, y, x)`` standardised intensities of the working cells; None where like
        grey values tell nothing.
    generator
        Draws the voxel of each cell, and which voxels are compared.
    """
    total = logits.new_zeros(())
    if teacher is None and grey is None:
        return total
    z, y, x = (
        slice(int(torch.randint(n, (1,), generator=generator)), None, n)
        for n in plan.working_factor
    )
    log_scores, free = torch.log_softmax(logits[..., z, y, x], 1), labels[..., z, y, x] < 0
    if teacher is not None:
        total = total + plan.guidance * guide_loss(log_scores, free, teacher)
    if grey is not None:
        pairs = affinity_loss(log_scores.exp(), free, grey, generator)
        total = total + plan.affinity * pairs
    return total
