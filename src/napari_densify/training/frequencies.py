"""How often classes are, where they were not painted as often as they are.

Whoever paints strokes paints a synapse as gladly as the wide background, and a network that
learned from them expects as many voxels of either. How frequent the classes are is told from
the strokes themselves: a forest answers for every stroke without having seen it, and for
voxels beside the strokes. What it names there is one estimate. It names rare classes too
often, as strokes of them do to a forest what they do to a network; how much too often shows
in what it says of strokes that it has not seen, so its answers are calibrated on those and
their frequencies found by expectation maximisation, ended early, as it runs away from few
strokes. The geometric mean of both errs least far (``benchmarks.frequencies``).
Whole slices need none: what is painted there is as frequent as it is.

References
----------
Saerens, Latinne & Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori
probabilities", Neural Computation 14:21 (the maximisation, and the shift).
Alexandari, Kundaje & Shrikumar 2020, "Maximum likelihood with bias-corrected calibration",
ICML, arXiv:1901.06852 (why to calibrate before).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_densify.core.settings import Triple
from napari_densify.training.crops import Crop
from napari_densify.training.samples import (
    count_codes,
    sample_open,
    sample_paint,
    stroke_numbers,
)
from napari_densify.training.teacher import fit_trees

__all__ = ["RAREST", "Row", "estimate_frequencies", "maximise_likelihood", "two_estimates"]

Row = npt.NDArray[np.float64]

_FOLDS = 5
# Estimates from fewer strokes of a class are off by a factor of two now and then; a network
# made to follow one lost more than it gained, unless the paint was much further off.
_FEW, _FAR = 8, 1.5
# Voxels that a forest learns from, and that it is asked about: about half a second on two cores.
_PAINTED, _OPEN = 40_000, 16_000
_LEAF = 4
_ROUNDS = 5
# Least probability that trees are believed.
_LEAST = 2e-3
RAREST = 1e-3
"""Least frequency of a class that is painted."""


class Estimates(NamedTuple):
    """Frequencies ``(K,)`` beside strokes, and how many strokes the class with fewest has."""

    named: Row
    corrected: Row
    strokes: int


def estimate_frequencies(
    crops: Sequence[Crop], classes: int, factor: Triple, *, seed: int = 0
) -> Row | None:
    """Frequencies of the classes on painted slices, told from strokes on parts of them.

    Parameters
    ----------
    crops
        Crops with features.
    classes
        Number of classes.
    factor
        Working cell (Z, Y, X) in voxels.
    seed
        Of forests and samples.

    Returns
    -------
    ``(K,)``, sums to 1; None where :func:`two_estimates` finds none, or too few strokes
    tell of too small a difference to what is painted.
    """
    found = two_estimates(crops, classes, factor, seed=seed)
    if found is None:
        return None
    both = np.sqrt(np.maximum(found.named, RAREST) * np.maximum(found.corrected, RAREST))
    *codes, beside = np.sum([count_codes(crop, classes) for crop in crops], 0)
    painted = np.array(codes)
    counts: Row = painted + beside * both / both.sum()
    mean: Row = counts / counts.sum()
    off = np.abs(np.log(mean * painted.sum() / painted)).max()
    return mean if found.strokes >= _FEW or off > _FAR else None


def two_estimates(
    crops: Sequence[Crop], classes: int, factor: Triple, *, seed: int = 0
) -> Estimates | None:
    """Estimate frequencies beside strokes as forests name them, and corrected by how they err.

    For the parameters see :func:`estimate_frequencies`. None where a class has fewer than
    two strokes, of which one could tell about the other, or where no painted slice has
    open voxels.
    """
    random = np.random.default_rng(seed)
    rows, codes, strokes = _painted(crops, classes, factor, random)
    room = np.array([count_codes(crop, classes)[-1] for crop in crops])
    shares = np.ceil(_OPEN * room / max(room.sum(), 1)).astype(int)
    pairs = zip(crops, shares.tolist(), strict=True)
    beside = np.concatenate([sample_open(c, factor, n, random) for c, n in pairs])
    fewest = min(len(np.unique(strokes[codes == k])) for k in range(classes))
    if classes < 2 or fewest < 2 or not len(beside):
        return None
    folds, turns = _deal(codes, strokes, random), random.integers(_FOLDS, size=len(beside))
    asked = np.concatenate([rows, beside]), np.concatenate([folds, turns])
    both = _cross_fitted(rows, codes, folds, *asked, classes, seed)
    unseen, answers = both[: len(rows)], both[len(rows) :]
    named = np.bincount(answers.argmax(1), minlength=classes) / len(answers)
    found = maximise_likelihood(_calibrated(unseen, codes, answers), rounds=_ROUNDS)
    return Estimates(named, found, fewest)


def maximise_likelihood(answers: npt.NDArray[np.floating], *, rounds: int) -> Row:
    """Frequencies of classes by expectation maximisation, from even ones.

    Parameters
    ----------
    answers
        Probabilities ``(N, K)`` of a calibrated classifier to which all classes are alike.
    rounds
        After which it ends.

    Returns
    -------
    ``(K,)``, sums to 1.
    """
    found: Row = np.full(answers.shape[1], 1 / answers.shape[1])
    for _ in range(rounds):
        corrected = answers * found
        corrected /= np.maximum(corrected.sum(1, keepdims=True), 1e-12)
        found = corrected.mean(0)
    return found


def _painted(
    crops: Sequence[Crop], classes: int, factor: Triple, random: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Features, classes and strokes of painted voxels, evenly over classes."""
    share = max(1, _PAINTED // (classes * len(crops)))
    rows, codes, strokes = [], [], []
    for crop in crops:
        sample = sample_paint(crop, factor, classes, share, random, mirrored=False)
        numbers = stroke_numbers(crop.labels.numpy(), crop.origin)
        own = numbers[tuple(sample.place - np.array(crop.origin)[:, None])]
        rows.append(sample.rows)
        codes.append(sample.codes)
        strokes.append(np.stack([np.full(len(own), crop.source), own]))
    _, which = np.unique(np.concatenate(strokes, 1), axis=1, return_inverse=True)
    return np.concatenate(rows), np.concatenate(codes), which.ravel()


def _cross_fitted(
    rows: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int64],
    folds: npt.NDArray[np.int64],
    asked: npt.NDArray[np.float32],
    turns: npt.NDArray[np.int64],
    classes: int,
    seed: int,
) -> Row:
    """Probabilities ``(n, K)`` of rows, each from the forest that has not seen its fold."""
    answers = np.zeros((len(asked), classes))
    for fold in range(_FOLDS):
        others, own = folds != fold, turns == fold
        forest = fit_trees(rows[others], codes[others], classes, leaf=_LEAF, seed=seed)
        forest.n_jobs = 1  # several threads add the trees' answers in any order
        if own.any():
            answers[np.ix_(own, forest.classes_)] = forest.predict_proba(asked[own])
    return answers


def _deal(
    codes: npt.NDArray[np.int64], strokes: npt.NDArray[np.int64], random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Deal the strokes of each class out in turn; voxels of a stroke stay together."""
    folds = np.zeros(len(codes), np.int64)
    for code in np.unique(codes):
        own = codes == code
        numbers, which = np.unique(strokes[own], return_inverse=True)
        folds[own] = random.permutation(len(numbers))[which] % _FOLDS
    return folds


def _calibrated(unseen: Row, codes: npt.NDArray[np.int64], answers: Row) -> Row:
    """Answers as the classes of strokes were, given such answers to them; all classes alike."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    seen, asked = (np.log(np.maximum(p, _LEAST)) for p in (unseen, answers))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough
        model = LogisticRegression(class_weight="balanced", max_iter=200).fit(seen, codes)
    found: Row = model.predict_proba(asked)
    return found
