"""Confusion counts that are gathered slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.labels import UNLABELLED

__all__ = ["Confusion", "Rates"]

Counts = npt.NDArray[np.int64]


class Rates:
    """Dice, IoU, precision and recall of each class from confusion counts.

    A rate whose denominator is zero is NaN: nothing was there to be rated.

    Parameters
    ----------
    counts
        ``(K, K + 1)``: rows are true classes, columns predicted ones; the last
        column counts predictions that are none of the classes.
    """

    def __init__(self, counts: npt.NDArray[Any]) -> None:
        hit = np.diagonal(counts).astype(float)
        self.truth = counts.sum(1)
        self.predicted = counts[:, :-1].sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.dice = 2 * hit / (self.truth + self.predicted)
            self.iou = hit / (self.truth + self.predicted - hit)
            self.precision = hit / self.predicted
            self.recall = hit / self.truth

    @property
    def mean_dice(self) -> float:
        """Mean Dice over the classes that the truth has; NaN without any."""
        return _mean(self.dice[self.truth > 0])

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that the truth has; NaN without any."""
        return _mean(self.iou[self.truth > 0])


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if values.size else float("nan")


class Confusion:
    """Counts of (true class, predicted class) pairs, one matrix a slice.

    Parameters
    ----------
    classes
        Class codes, ascending; voxels whose truth is none of them are not scored.

    Examples
    --------
    >>> confusion = Confusion([1, 2])
    >>> confusion.add(0, np.array([1, 2, 2]), np.array([1, 2, 1]))
    >>> confusion.total.tolist()
    [[1, 1, 0], [0, 1, 0]]
    """

    def __init__(self, classes: Sequence[int]) -> None:
        self.classes = tuple(int(c) for c in classes)
        self.slices: dict[int, Counts] = {}

    def add(self, z: int, prediction: npt.NDArray[Any], truth: npt.NDArray[Any]) -> None:
        """Count one slice (or a part of one); the same ``z`` may come several times.

        Parameters
        ----------
        z
            Slice number.
        prediction, truth
            Codes of the same shape; voxels with truth 0 are dropped.
        """
        k = len(self.classes)
        rows = self._index(truth, missing=-1)
        scored = rows >= 0
        if not scored.any():
            return
        columns = self._index(prediction[scored], missing=k)
        pairs = rows[scored].astype(np.int64) * (k + 1) + columns
        counts = np.bincount(pairs, minlength=k * (k + 1)).reshape(k, k + 1)
        self.slices[z] = self.slices.get(z, 0) + counts

    def _index(self, labels: npt.NDArray[Any], *, missing: int) -> npt.NDArray[np.int64]:
        """Class index of each label; ``missing`` where it is none of the classes."""
        classes = np.asarray(self.classes)
        found = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        known = (classes[found] == labels) & (labels != UNLABELLED)
        return np.where(known, found, missing)

    @property
    def total(self) -> Counts:
        """Counts of all slices, ``(K, K + 1)``."""
        k = len(self.classes)
        return sum(self.slices.values(), np.zeros((k, k + 1), np.int64))

    @property
    def rates(self) -> Rates:
        """Rates over all slices."""
        return Rates(self.total)
