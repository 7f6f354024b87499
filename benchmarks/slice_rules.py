"""Rules by which simulated users choose the next slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from benchmarks.learners import Learner
from napari_densify.annotations.suggestion import PLANES, UncertaintyTally, suggest_slices
from napari_densify.core.volume import Spacing

__all__ = ["RULES", "Look", "even_slices"]

Plane = tuple[int, int]
Scores = npt.NDArray[np.float64]


def even_slices(free: npt.NDArray[np.int64], count: int) -> list[int]:
    """Choose ``count`` of the free slices, evenly spaced, half a step from the ends."""
    picks = ((np.arange(count) + 0.5) * len(free) / count).astype(int)
    return [int(z) for z in free[picks]]


@dataclass
class Look:
    """What a rule may see: the trained learner, what is painted, where one may paint."""

    learner: Learner
    planes: Sequence[Plane]
    free: npt.NDArray[np.int64]
    spacing: Spacing
    random: np.random.Generator

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """``(K, Z, Y / stride, X / stride)``."""
        return self.learner.probabilities()

    def painted(self, axis: int) -> list[int]:
        """Painted planes across an axis."""
        return [i for a, i in self.planes if a == axis]

    @cached_property
    def tally(self) -> UncertaintyTally:
        """Uncertainty of all that was looked at."""
        _, y, x = self.learner.shape
        full = self.probabilities
        for axis in (2, 3):
            full = full.repeat(self.learner.stride, axis)
        full = full[:, :, :y, :x]
        tally = UncertaintyTally(full.shape[1:], len(full))
        tally.add(tuple(slice(0, n) for n in full.shape[1:]), full)
        return tally

    def near(self) -> Scores:
        """Distance of each Z slice to the nearest painted one."""
        depth = np.arange(self.learner.shape[0])
        return np.abs(depth[:, None] - np.array(self.painted(0))).min(1).astype(float)

    def best(self, scores: Scores) -> Plane:
        """Best free, unpainted Z slice."""
        open_ = [z for z in self.free if z not in self.painted(0)]
        return 0, int(open_[int(np.argmax(scores[open_]))])


def halving(look: Look) -> Plane:
    """Middle of the widest gap."""
    return look.best(look.near())


def random_slice(look: Look) -> Plane:
    """Any slice."""
    return look.best(look.random.random(look.learner.shape[0]))


def entropy(look: Look) -> Plane:
    """Largest mean entropy."""
    return look.best(look.tally.entropy[0].sum(0) / look.tally.voxels[0])


def _near_weight(look: Look, share: float) -> Scores:
    reach = max(1.0, share * look.learner.shape[0])
    return 1 - np.exp(-look.near() / reach)


def stratified(share: float, noise: float) -> Callable[[Look], Plane]:
    """Class-stratified entropy in Z, less near paint, with noise."""

    def rule(look: Look) -> Plane:
        scores = look.tally.scores(0) * _near_weight(look, share)
        decayed = noise / np.sqrt(1 + len(look.planes))
        return look.best(scores * np.exp(decayed * look.random.standard_normal(len(scores))))

    return rule


def suggested(*axes: str) -> Callable[[Look], Plane]:
    """Follow the product's own ranking."""

    def rule(look: Look) -> Plane:
        taken = [set(look.painted(a)) for a in range(3)]
        found = suggest_slices(
            look.tally, taken, values=look.learner.classes, spacing=look.spacing, axes=axes,
            count=40, seed=int(look.random.integers(1 << 30)),
        )  # fmt: skip
        for row in found:
            axis = PLANES.index(row.axis)
            if axis or row.index in look.free:
                return axis, row.index
        return halving(look)

    return rule


def novelty(look: Look) -> Plane:
    """Voxels least like painted ones in feature space, away from paint."""
    return look.best(_novel(look) * _near_weight(look, 0.1))


def novelty_entropy(look: Look) -> Plane:
    """Both: unlike what is painted, and uncertain."""
    scores = look.tally.scores(0) * _novel(look)
    return look.best(scores * _near_weight(look, 0.1))


def _novel(look: Look) -> Scores:
    from scipy.spatial import cKDTree

    learner = look.learner
    bank = learner._looked_at  # type: ignore[attr-defined]
    table = bank.reshape(len(bank), -1).T.astype(np.float32)
    mean, deviation = table.mean(0), table.std(0) + 1e-6
    pick = look.random.choice(len(learner.rows), min(3000, len(learner.rows)), replace=False)
    tree = cKDTree((learner.rows[pick] - mean) / deviation)
    places = look.random.choice(len(table), min(12_000, len(table)), replace=False)
    distance, _ = tree.query((table[places] - mean) / deviation, k=1, eps=0.5, workers=2)
    z = places // np.prod(bank.shape[2:])
    depth = bank.shape[1]
    return np.bincount(z, distance, depth) / np.maximum(np.bincount(z, minlength=depth), 1)


def disagreement(look: Look) -> Plane:
    """Share of voxels on which a linear classifier and the learner differ."""
    return look.best(_differs(look) * _near_weight(look, 0.1))


def disagreement_entropy(look: Look) -> Plane:
    """Class-stratified entropy times one plus disagreement with a linear classifier."""
    differs = _differs(look)
    scores = look.tally.scores(0) * (0.5 + differs / max(differs.mean(), 1e-6))
    return look.best(scores * _near_weight(look, 0.1))


def _differs(look: Look) -> Scores:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    learner = look.learner
    bank = learner._looked_at  # type: ignore[attr-defined]
    other = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    other.fit(learner.rows, learner.codes)
    found = other.predict(bank.reshape(len(bank), -1).T.astype(np.float32))
    mine = np.asarray(learner.classes)[look.probabilities.argmax(0)].ravel()
    wrong: Scores = (found != mine).reshape(bank.shape[1], -1).mean(1)
    return wrong


RULES: dict[str, Callable[[Look], Plane]] = {
    "halving": halving,
    "random": random_slice,
    "entropy": entropy,
    "suggested": suggested(*PLANES),
    "suggested, XY only": suggested("XY"),
    "stratified, near": stratified(0.05, 0.0),
    "stratified, noise": stratified(0.0, 0.3),
    "stratified, far, noise": stratified(0.15, 0.3),
    "disagreement": disagreement,
    "disagreement and entropy": disagreement_entropy,
    "novelty": novelty,
    "novelty and entropy": novelty_entropy,
}
