"""What a prediction itself expects of its Dice, beside what little paint says.

A few strokes hit some hundred voxels, all of them where somebody liked to paint; the
prediction has an opinion on every voxel of the slice. Calibrated on the strokes, its
probabilities tell how often each class is expected to be taken for another (Guo et al.
2017, "On calibration of modern neural networks", arXiv:1706.04599). Neither is right alone:
their mean misses the truth by less (``benchmarks/gauge_network.py``). Where a slice is
painted throughout nothing is left to be expected.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_densify.evaluation.confusion import Rates

__all__ = ["Expectation", "blend", "expected_counts", "fit_temperature"]

Floats = npt.NDArray[np.floating]
Counts = npt.NDArray[np.int64]

# Weight of what is expected where next to nothing is painted.
_WEIGHT = 0.5
# Networks are rather too sure than not sure enough.
_TEMPERATURES = np.geomspace(1.0, 4.0, 13)
# Voxels that are looked at in each part of a slice, and kept of its paint.
_LOOKED_AT = 20_000
_LEAST = 1e-6


class Expectation:
    """Gathers probabilities of slices, and those of them that are painted.

    Parameters
    ----------
    classes
        Number of classes.
    """

    def __init__(self, classes: int) -> None:
        self._all: list[Floats] = [np.zeros((classes, 0), np.float32)]
        self._painted: list[Floats] = [np.zeros((classes, 0), np.float32)]
        self._truth: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
        self._voxels = 0

    def add(self, probabilities: Floats, indices: npt.NDArray[np.integer]) -> None:
        """Take a part of a slice.

        Parameters
        ----------
        probabilities
            ``(K, ...)``.
        indices
            Class index of each voxel, -1 where it is not painted.
        """
        rows, truth = probabilities.reshape(len(probabilities), -1), indices.ravel()
        self._voxels += truth.size
        self._all.append(rows[:, :: 1 + truth.size // _LOOKED_AT])
        painted = np.flatnonzero(truth >= 0)
        painted = painted[:: 1 + painted.size // _LOOKED_AT]
        self._painted.append(rows[:, painted])
        self._truth.append(truth[painted].astype(np.int64))

    def blended(self, counts: Counts, painted: int) -> Counts:
        """Mix the confusion found on paint, ``(K, K + 1)``, with the expected one.

        Parameters
        ----------
        counts
            Confusion, with the weights that the classes have in the slices.
        painted
            Voxels that it comes from.
        """
        temperature = fit_temperature(np.concatenate(self._painted, 1), np.concatenate(self._truth))
        expected = expected_counts(np.concatenate(self._all, 1), temperature)
        return blend(counts, expected, painted / max(self._voxels, 1))


def fit_temperature(probabilities: Floats, truth: npt.NDArray[np.integer]) -> float:
    """Temperature (1 or more) under which the painted voxels are most likely.

    Parameters
    ----------
    probabilities
        ``(K, N)``.
    truth
        ``(N,)`` class indices.
    """
    if not truth.size:
        return 1.0
    log = np.log(probabilities.clip(_LEAST))
    losses = [-_log_softmax(log / t)[truth, np.arange(truth.size)].mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def expected_counts(probabilities: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Confusion ``(K, K + 1)`` that the probabilities ``(K, N)`` expect of their largest ones."""
    shares = np.exp(_log_softmax(np.log(probabilities.clip(_LEAST)) / temperature))
    out = np.zeros((len(shares), len(shares) + 1))
    np.add.at(out.T, probabilities.argmax(0), shares.T)
    return out


def blend(counts: Counts, expected: npt.NDArray[np.float64], painted_share: float) -> Counts:
    """Mix two confusions ``(K, K + 1)``; classes without paint stay without.

    Parameters
    ----------
    counts
        Found on paint.
    expected
        By the prediction.
    painted_share
        Share of the voxels that were predicted: where all are painted, paint alone counts.
    """
    known = counts.sum(1) > 0
    expected = expected * known[:, None]
    if not expected.any() or not np.isfinite(Rates(counts).mean_dice):
        return counts
    weight = _WEIGHT * (1 - min(painted_share, 1.0))
    scaled = expected * (counts.sum() / expected.sum())
    mixed: Counts = np.rint((1 - weight) * counts + weight * scaled).astype(np.int64)
    return mixed


def _log_softmax(log: Floats) -> Floats:
    shifted: Floats = log - log.max(0, keepdims=True)
    normalised: Floats = shifted - np.log(np.exp(shifted).sum(0, keepdims=True))
    return normalised
