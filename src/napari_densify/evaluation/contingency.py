"""How two labellings overlap, gathered slice by slice; Rand and information scores from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from skimage.metrics import adapted_rand_error, variation_of_information

__all__ = ["Contingency", "slice_segments"]

Ids = npt.NDArray[np.int64]


class Contingency:
    """Voxels that each true segment shares with each predicted one."""

    def __init__(self) -> None:
        self._pairs: list[npt.NDArray[np.int64]] = []
        self._counts: list[npt.NDArray[np.int64]] = []

    def add(self, truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> None:
        """Count pairs of ids in two arrays of the same shape."""
        pairs = np.stack([truth.ravel(), prediction.ravel()]).astype(np.int64)
        unique, counts = np.unique(pairs, axis=1, return_counts=True)
        self._pairs.append(unique)
        self._counts.append(counts.astype(np.int64))
        if len(self._pairs) >= 64:
            self._merge()

    def _merge(self) -> None:
        if len(self._pairs) < 2:
            return
        unique, where = np.unique(np.concatenate(self._pairs, axis=1), axis=1, return_inverse=True)
        counts = np.bincount(where.ravel(), weights=np.concatenate(self._counts))
        self._pairs, self._counts = [unique], [counts.round().astype(np.int64)]

    def pairs(self) -> tuple[Ids, Ids, npt.NDArray[np.int64]]:
        """Return true ids, predicted ids, and voxels of each pair that occurs."""
        self._merge()
        if not self._pairs:
            empty = np.empty(0, np.int64)
            return empty, empty, empty
        return self._pairs[0][0], self._pairs[0][1], self._counts[0]

    def table(self, *, ignore_truth: int | None = None) -> sparse.csr_array:
        """Sparse table of counts (true segments by predicted ones)."""
        truth, prediction, counts = self.pairs()
        if ignore_truth is not None:
            keep = truth != ignore_truth
            truth, prediction, counts = truth[keep], prediction[keep], counts[keep]
        rows = np.unique(truth, return_inverse=True)[1]
        columns = np.unique(prediction, return_inverse=True)[1]
        shape = (rows.max(initial=0) + 1, columns.max(initial=0) + 1)
        return sparse.csr_array((counts.astype(float), (rows, columns)), shape=shape)

    def rand(self, *, ignore_truth: int | None = None) -> tuple[float, float, float]:
        """Adapted Rand error, precision and recall (SNEMI3D); NaN without pairs of voxels."""
        table = self.table(ignore_truth=ignore_truth)
        if table.sum() < 2:
            return (float("nan"),) * 3
        with np.errstate(invalid="ignore", divide="ignore"):
            error, precision, recall = adapted_rand_error(table=table)
        return float(error), float(precision), float(recall)

    def information(self, *, ignore_truth: int | None = None) -> tuple[float, float]:
        """Variation of information in bits: false splits, false merges (Meila 2007)."""
        table = self.table(ignore_truth=ignore_truth)
        total = table.sum()
        if total == 0:
            return float("nan"), float("nan")
        # scikit-image compares the images' shapes even where a table makes them needless.
        unused = np.zeros(1, int)
        split, merge = variation_of_information(unused, unused, table=table / total)
        return max(0.0, float(split)), max(0.0, float(merge))


def slice_segments(
    labels: npt.NDArray[Any], scored: npt.NDArray[np.bool_], *, first: int = 1
) -> npt.NDArray[Any]:
    """Give each connected region of one class in a slice its own id.

    Parameters
    ----------
    labels
        Class codes ``(Y, X)``.
    scored
        Voxels that count; the others get 0 and separate nothing that touches elsewhere.
    first
        Smallest id.
    """
    from skimage.measure import label

    # Shifted by one: skimage takes 0 for background, which here is what isn't scored.
    regions = label(np.where(scored, labels.astype(np.int64) + 1, 0), connectivity=1)
    return np.where(regions > 0, regions.astype(np.int64) + (first - 1), 0)
