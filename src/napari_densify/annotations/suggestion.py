"""Which slice to paint next: where the model is unsure, class by class, away from paint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_densify.annotations.source import Annotations
from napari_densify.core.blocks import Region
from napari_densify.core.labels import UNLABELLED
from napari_densify.core.volume import Spacing

__all__ = ["PLANES", "Suggestion", "UncertaintyTally", "painted_planes", "suggest_slices"]

PLANES = ("XY", "XZ", "YZ")
"""Names of the planes whose number counts along Z, Y, X."""

# A plane of which this share is painted counts as painted; a crossing line doesn't.
_PAINTED_SHARE = 0.2
# Planes nearer to paint than this share of the axis gain little from being painted.
_REACH = 0.05
_FIRST_NOISE = 0.3


@dataclass(frozen=True)
class Suggestion:
    """A slice worth painting.

    Attributes
    ----------
    axis
        ``XY``, ``XZ`` or ``YZ``.
    index
        Its number along the remaining axis.
    score
        How much more it promises than an average slice (1).
    distance
        Slices to the nearest painted one; None if none is painted along this axis.
    classes
        Code and share of each class in what is uncertain there, largest first.
    """

    axis: str
    index: int
    score: float
    distance: int | None
    classes: tuple[tuple[int, float], ...]


class UncertaintyTally:
    """Sums of predictive entropy by slice and predicted class, along all three axes.

    Parameters
    ----------
    shape
        Shape of the volume (Z, Y, X).
    classes
        Number of classes.
    """

    def __init__(self, shape: Sequence[int], classes: int) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.entropy = [np.zeros((classes, n)) for n in self.shape]
        self.voxels = [np.zeros(n) for n in self.shape]

    def add(self, region: Region, probabilities: npt.NDArray[np.floating]) -> None:
        """Count a predicted region.

        Parameters
        ----------
        region
            Where it lies.
        probabilities
            ``(K, z, y, x)``; sums to 1 over the classes.
        """
        classes = len(probabilities)
        p = np.clip(probabilities, 1e-7, 1.0)
        entropy = -(p * np.log(p)).sum(0) / np.log(max(classes, 2))
        winner = probabilities.argmax(0)
        split = np.stack([np.where(winner == c, entropy, 0.0) for c in range(classes)])
        for axis, side in enumerate(region):
            others = tuple(a for a in range(3) if a != axis)
            self.entropy[axis][:, side] += split.sum(tuple(a + 1 for a in others))
            self.voxels[axis][side] += np.prod([winner.shape[a] for a in others])

    def scores(self, axis: int) -> npt.NDArray[np.float64]:
        """Class-stratified entropy of each slice along an axis, 1 on average.

        Each class counts the same however rare it is; slices that were not looked
        at are NaN.
        """
        with np.errstate(invalid="ignore"):
            density = self.entropy[axis] / self.voxels[axis]
        seen = self.voxels[axis] > 0
        mean = density[:, seen].mean(1, keepdims=True)
        relative = np.divide(density, mean, out=np.zeros_like(density), where=mean > 0)
        counted = int(np.count_nonzero(mean > 0))
        scores: npt.NDArray[np.float64] = relative.sum(0) / max(counted, 1)
        return np.where(seen, scores, np.nan)


def painted_planes(annotations: Annotations) -> list[set[int]]:
    """Slices along Z, Y and X of which a good part is painted."""
    shape = annotations.shape
    sums = [np.zeros(n) for n in shape]
    for box in annotations.painted_boxes():
        painted = annotations.read(box) != UNLABELLED
        for axis, side in enumerate(box):
            sums[axis][side] += painted.sum(tuple(a for a in range(3) if a != axis))
    areas = [np.prod([n for a, n in enumerate(shape) if a != axis]) for axis in range(3)]
    planes = [
        {int(i) for i in np.flatnonzero(s > _PAINTED_SHARE * a)}
        for s, a in zip(sums, areas, strict=True)
    ]
    # Along Z a few strokes already make a painted slice: that is how people paint.
    planes[0] |= set(annotations.slice_counts())
    return planes


def suggest_slices(
    tally: UncertaintyTally,
    painted: Sequence[set[int]],
    *,
    values: Sequence[int],
    spacing: Spacing = (1.0, 1.0, 1.0),
    count: int = 5,
    seed: int = 0,
    axes: Sequence[str] = PLANES,
) -> list[Suggestion]:
    """Rank the slices to paint next.

    Parameters
    ----------
    tally
        Uncertainty of the prediction.
    painted
        Painted slices along Z, Y, X.
    values
        Class codes, in the order of the tally's classes.
    spacing
        Voxel size (Z, Y, X): planes of flat pixels are hard to paint and count less.
    count
        How many to name; each keeps its distance from those named before.
    seed
        Seed of the noise.
    axes
        Planes to choose from.

    Notes
    -----
    Class-stratified predictive entropy with noise that decays as more is painted
    (ClaSP PE, 2026): early on the model's uncertainty is not to be trusted, so
    slices are drawn more evenly.
    """
    random = np.random.default_rng(seed)
    noise = _FIRST_NOISE / np.sqrt(1 + sum(len(p) for p in painted))
    taken = [set(p) for p in painted]
    base = [
        tally.scores(axis)
        * _flatness(spacing, axis)
        * _extent(tally.shape, axis)
        * np.exp(noise * random.standard_normal(n))
        * (PLANES[axis] in axes)
        for axis, n in enumerate(tally.shape)
    ]
    found: list[Suggestion] = []
    while len(found) < count:
        ranked = [_weighted(b, t) for b, t in zip(base, taken, strict=True)]
        axis = int(np.argmax([r.max(initial=0.0) for r in ranked]))
        index = int(ranked[axis].argmax()) if ranked[axis].size else 0
        if not ranked[axis].max(initial=0.0) > 0:
            break
        found.append(_describe(tally, painted[axis], axis, index, ranked[axis][index], values))
        taken[axis].add(index)
    return found


def _weighted(base: npt.NDArray[np.float64], taken: set[int]) -> npt.NDArray[np.float64]:
    """Scores, less near slices that are painted or named already; 0 where nothing is known."""
    scores = np.nan_to_num(base, nan=0.0)
    if not taken:
        return scores
    reach = max(1.0, _REACH * len(base))
    near = np.abs(np.arange(len(base))[:, None] - np.array(sorted(taken))).min(1)
    weighted: npt.NDArray[np.float64] = scores * (1 - np.exp(-near / reach))
    return weighted


def _flatness(spacing: Spacing, axis: int) -> float:
    """Shorter over longer pixel side of the planes along an axis."""
    sides = [s for a, s in enumerate(spacing) if a != axis]
    return min(sides) / max(sides)


def _extent(shape: Sequence[int], axis: int) -> float:
    """Area of the planes along an axis over that of the largest: small ones teach less."""
    areas = [math.prod(n for a, n in enumerate(shape) if a != other) for other in range(3)]
    return areas[axis] / max(areas)


def _describe(
    tally: UncertaintyTally,
    painted: set[int],
    axis: int,
    index: int,
    score: float,
    values: Sequence[int],
) -> Suggestion:
    shares: Mapping[int, float] = _shares(tally.entropy[axis][:, index], values)
    ordered = tuple(sorted(shares.items(), key=lambda item: -item[1]))
    distance = min((abs(index - p) for p in painted), default=None)
    return Suggestion(PLANES[axis], index, float(score), distance, ordered)


def _shares(entropy: npt.NDArray[np.float64], values: Sequence[int]) -> dict[int, float]:
    total = float(entropy.sum())
    return {v: float(e) / total if total else 0.0 for v, e in zip(values, entropy, strict=True)}
