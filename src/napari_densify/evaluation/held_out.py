"""What a few held-out strokes say about a whole volume: a Dice, and how sure one may be."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from napari_densify.evaluation.confusion import Rates

__all__ = ["TILE", "dice_interval", "reweigh"]

Counts = npt.NDArray[np.int64]

TILE = 64
"""Voxels on a side of the tiles within which paint is taken to be one observation."""

_LEVEL = 0.90
# How much slices of one volume differ in Dice, and how many slices that belief weighs:
# one held-out slice says nothing about how others differ.
_USUAL_DEVIATION, _WEIGHT = 0.10, 4.0
_FEWEST_TILES = 4
# Weight of the painted frequencies, and of estimated ones, against those found; keeps the
# answer tame where two classes are hardly told apart.
_TRUST, _TRUST_ESTIMATE = 0.1, 1.0


def reweigh(
    counts: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    frequencies: npt.NDArray[np.floating] | None = None,
) -> Counts:
    """Give classes the weight that they have in the slices, not that of the strokes on them.

    People paint rare classes more than their share, so the precision of rare classes
    looks too good on paint. How often a class is taken for another is known from the
    paint; how often each was found in the slices, from the prediction; together they
    tell how frequent each class is (Saerens et al. 2002; Lipton et al. 2018, "Detecting
    and correcting for label shift with black box predictors", arXiv:1802.03916). On
    slices that are painted throughout nothing changes.

    Parameters
    ----------
    counts
        Confusion on paint ``(K, K + 1)``.
    predicted
        ``(K,)`` voxels of each class in the prediction of the same slices.
    frequencies
        ``(K,)`` of the classes in slices, where they were estimated. They are believed
        rather than those of the paint, the more the less of the slices is painted.

    Returns
    -------
    Confusion ``(K, K + 1)`` of as many voxels as were predicted.
    """
    painted = counts.sum(1)
    known = painted > 0
    if known.sum() < 2 or not predicted.any():
        return counts
    rates = counts[known] / painted[known, None]  # how often a class is taken for another
    found = predicted / predicted.sum()
    prior, trust = painted[known] / painted.sum(), _TRUST
    if frequencies is not None and frequencies[known].any():
        told = frequencies[known] / frequencies[known].sum()
        whole = min(1.0, painted.sum() / predicted.sum())
        prior = whole * prior + (1 - whole) * told
        trust = whole * _TRUST + (1 - whole) * _TRUST_ESTIMATE
    system = np.vstack([rates[:, :-1].T, trust * np.eye(len(prior)), np.ones(len(prior)) * 10])
    share, _ = optimize.nnls(system, np.concatenate([found, trust * prior, [10.0]]))
    out = np.zeros_like(counts)
    out[known] = np.rint(rates * share[:, None] * predicted.sum()).astype(np.int64)
    return out


def dice_interval(
    slices: Sequence[Sequence[Counts]], dice: float, usual: float = _USUAL_DEVIATION
) -> tuple[float, float] | None:
    """Interval that holds the mean Dice of all slices in 9 of 10 cases.

    Two sources of doubt: within slices (jackknife over tiles of paint) and between
    slices (their standard deviation, drawn towards a usual one, since a few say little
    about how slices differ); the larger one counts, with Student's t.

    Parameters
    ----------
    slices
        For each slice the confusion ``(K, K + 1)`` of each of its tiles of paint.
    dice
        Mean Dice of all of them.
    usual
        Standard deviation of the Dice between slices of one volume, believed beforehand.

    Returns
    -------
    Bounds; None if the paint is too little to tell.
    """
    tiles = [counts for row in slices for counts in row]
    if len(tiles) < _FEWEST_TILES or not math.isfinite(dice):
        return None
    total = np.sum(tiles, 0)
    without = np.array([Rates(total - t).mean_dice for t in tiles])
    without = without[np.isfinite(without)]
    within = (len(without) - 1) * float(without.var()) if len(without) > 1 else 0.0
    single = [Rates(np.sum(row, 0)).mean_dice for row in slices if len(row)]
    spread = float(np.sum((np.array(single) - np.mean(single)) ** 2))
    freedom = _WEIGHT + len(single) - 1
    between = (_WEIGHT * usual**2 + spread) / freedom / len(single)
    reach = float(stats.t.ppf(0.5 + _LEVEL / 2, freedom)) * math.sqrt(max(within, between))
    return max(0.0, dice - reach), min(1.0, dice + reach)
