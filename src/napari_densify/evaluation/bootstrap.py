"""Intervals by resampling whole slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.evaluation.confusion import Rates

__all__ = ["MIN_SLICES", "Intervals", "bootstrap_rates"]

MIN_SLICES = 3
"""Fewer slices say nothing about how slices differ: then there is no interval."""

_DRAWS = 1000

Interval = tuple[float, float]


class Intervals:
    """95 % intervals of the means and of each class; None where there is none."""

    def __init__(self, samples: list[Rates], classes: int) -> None:
        self.mean_dice = _interval([s.mean_dice for s in samples])
        self.mean_iou = _interval([s.mean_iou for s in samples])
        self.dice = [_interval([s.dice[i] for s in samples]) for i in range(classes)]
        self.iou = [_interval([s.iou[i] for s in samples]) for i in range(classes)]


def bootstrap_rates(matrices: Sequence[npt.NDArray[Any]], *, seed: int = 0) -> Intervals:
    """Resample slices with replacement and rate each resample.

    Voxels of one slice are not independent, slices nearly are: so slices are drawn,
    and their counts added, before anything is divided (Efron & Tibshirani 1993,
    percentile interval).

    Parameters
    ----------
    matrices
        Confusion counts ``(K, K + 1)`` of each slice.
    seed
        Seed of the draws: the same scores give the same interval.
    """
    classes = matrices[0].shape[0] if matrices else 0
    if len(matrices) < MIN_SLICES:
        return Intervals([], classes)
    stack = np.stack(matrices).reshape(len(matrices), -1)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(matrices), np.full(len(matrices), 1 / len(matrices)), _DRAWS)
    sums = (draws @ stack).reshape(_DRAWS, *matrices[0].shape)
    return Intervals([Rates(counts) for counts in sums], classes)


def _interval(values: list[float]) -> Interval | None:
    finite = np.asarray(values)[np.isfinite(values)] if values else np.empty(0)
    if finite.size == 0:
        return None
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)
