"""Boundary F1: how far outlines agree within a tolerance."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["BoundaryCount", "count_boundary"]

Mask = npt.NDArray[np.bool_]


class BoundaryCount:
    """Outline voxels that were matched, of truth and prediction; sums over slices."""

    def __init__(self) -> None:
        self.hits = np.zeros(2, np.int64)
        self.totals = np.zeros(2, np.int64)

    def add(self, hits: tuple[int, int], totals: tuple[int, int]) -> None:
        """Add one slice: (predicted, true) outline voxels, matched and in all."""
        self.hits += hits
        self.totals += totals

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN where neither has an outline."""
        if not self.totals.any():
            return float("nan")
        precision, recall = self.hits / np.maximum(self.totals, 1)
        return float(2 * precision * recall / max(precision + recall, 1e-12))


def count_boundary(
    prediction: Mask,
    truth: Mask,
    *,
    scored: Mask,
    tolerance: float,
    spacing: tuple[float, float],
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Count outline voxels of one class in one slice that lie close to the other outline.

    An outline voxel belongs to the class and has a scored 4-neighbour that does not.

    Parameters
    ----------
    prediction, truth
        Masks ``(Y, X)`` of the class.
    scored
        Voxels that count; the outline against others is no outline.
    tolerance
        Greatest distance that still counts as agreement, in nm.
    spacing
        Voxel size (Y, X) in nm.

    Returns
    -------
    Matched (predicted, true) and all (predicted, true) outline voxels.

    References
    ----------
    Csurka et al., What is a good evaluation measure for semantic segmentation?,
    BMVC 2013.
    """
    first, second = _outline(prediction, scored), _outline(truth, scored)
    matched = (
        _near(first, second, tolerance, spacing),
        _near(second, first, tolerance, spacing),
    )
    return matched, (int(first.sum()), int(second.sum()))


def _outline(mask: Mask, scored: Mask) -> Mask:
    inside = mask & scored
    outside: Mask = ndimage.binary_dilation(scored & ~mask)
    return inside & outside


def _near(points: Mask, others: Mask, tolerance: float, spacing: tuple[float, float]) -> int:
    if not (points.any() and others.any()):
        return 0
    distance: npt.NDArray[Any] = ndimage.distance_transform_edt(~others, sampling=spacing)
    return int((distance[points] <= tolerance).sum())
