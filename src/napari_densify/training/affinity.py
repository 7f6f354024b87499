"""Between strokes, voxels that look alike belong together.

A network that learned from a few strokes is unsure where one class ends and the next
begins. The pairwise term of a conditional random field tells it what the image knows:
neighbours of like grey value should have the same class. Like the forest that guides
between strokes it is a term of its own, separate from the loss of painted voxels, which
stays exactly zero wherever nobody painted, and it is off in the presets of the papers.

References
----------
Tang et al. 2018, "On regularized losses for weakly-supervised CNN segmentation",
arXiv:1803.09569. Obukhov et al. 2019, "Gated CRF loss for weakly supervised semantic
image segmentation", arXiv:1906.04651.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from napari_densify.core.settings import Triple

__all__ = ["affinity_loss"]

# Displacements of one step, drawn afresh each time: together they are all pairs nearby.
_PAIRS = 4
# Standard deviation of a displacement along Y and X, in working cells.
_REACH = 3.0
# Difference at which grey values are no longer alike, in deviations of the volume.
_LIKE = 0.4


def affinity_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    grey: torch.Tensor,
    factor: Triple,
    generator: torch.Generator,
) -> torch.Tensor:
    """Chance that two neighbours of like grey value differ in class; 0 where all agree.

    Pairs lie in one slice, and at least one of the two is not painted; only that one changes.

    Parameters
    ----------
    logits
        ``(N, K, Z, Y, X)`` float32.
    labels
        ``(N, Z, Y, X)``, -1 where not annotated.
    grey
        ``(N, C, z, y, x)`` standardised intensities of the working cells.
    factor
        Working cell (Z, Y, X) in voxels: one voxel of each is looked at.
    generator
        Draws the displacements.
    """
    z, y, x = factor
    scores = torch.softmax(logits[..., ::z, ::y, ::x], 1)
    free = labels[..., ::z, ::y, ::x] < 0
    scores = torch.where(free[:, None], scores, scores.detach())  # paint pulls, and stands
    smooth = F.avg_pool3d(grey.float(), (1, 3, 3), 1, (0, 1, 1), count_include_pad=False)
    height, width = free.shape[-2:]
    total = scores.new_zeros(())
    for dy, dx in _displacements(generator, min(height, width) // 4):
        here = (..., slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        there = (..., slice(dy, height), slice(max(0, dx), width - max(0, -dx)))
        difference = (smooth[here] - smooth[there]).square().sum(1)
        like = torch.exp(difference / (-2 * _LIKE**2)) * (free[here] | free[there])
        differ = 1 - (scores[here] * scores[there]).sum(1)
        total = total + (like * differ).mean()
    return total / _PAIRS


def _displacements(generator: torch.Generator, most: int) -> list[tuple[int, int]]:
    """Cells down and across; never 0, and down is never negative, as pairs have no order."""
    drawn = (torch.randn(_PAIRS, 2, generator=generator) * _REACH).round().int()
    rows = []
    for dy, dx in drawn.clamp(-most, most).tolist():
        dy, dx = (-dy, -dx) if dy < 0 else (dy, dx)
        rows.append((dy, dx) if dy or dx else (0, 1))
    return rows
