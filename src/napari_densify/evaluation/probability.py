"""Scores of probabilities, not of labels: how sure a network is, and rightly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CrossEntropy"]

# A certain and wrong answer costs -log of this, as in most libraries.
_EPSILON = 1e-7


class CrossEntropy:
    """Binary cross-entropy of each class against the rest, on scored voxels only.

    Parameters
    ----------
    classes
        Class codes, in the order of the probabilities.

    Examples
    --------
    >>> entropy = CrossEntropy([1, 2])
    >>> entropy.add(np.array([[0.5], [0.5]]), np.array([2]))
    >>> {value: round(bce, 3) for value, bce in entropy.by_class.items()}
    {1: 0.693, 2: 0.693}
    """

    def __init__(self, classes: Sequence[int]) -> None:
        self.classes = tuple(int(c) for c in classes)
        self._sums = np.zeros(len(self.classes))
        self._voxels = 0

    def add(self, probabilities: npt.NDArray[Any], truth: npt.NDArray[Any]) -> None:
        """Take in some voxels.

        Parameters
        ----------
        probabilities
            ``(K, ...)``, one row a class.
        truth
            ``(...)`` codes; voxels whose code is none of the classes are not scored.
        """
        scored = np.isin(truth, self.classes)
        rows = probabilities[:, scored].astype(float).clip(_EPSILON, 1 - _EPSILON)
        hits = np.asarray(self.classes)[:, None] == truth[scored]
        self._sums -= np.where(hits, np.log(rows), np.log1p(-rows)).sum(1)
        self._voxels += int(scored.sum())

    @property
    def by_class(self) -> dict[int, float]:
        """Mean over the voxels, by class code; empty if there were none."""
        if not self._voxels:
            return {}
        means = self._sums / self._voxels
        return dict(zip(self.classes, means.tolist(), strict=True))
