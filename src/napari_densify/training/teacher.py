"""A forest beside the network, and its guide where strokes leave gaps.

A random forest on multiscale features is stored with the model and has its say in every
prediction. And a network trained on a few strokes alone learns them by heart, while a
forest needs far less paint: its probabilities on the voxels around the strokes are a
second, softer target. This term is separate from the loss of
painted voxels, which stays exactly zero wherever nobody painted, and it is off
in the presets of the papers.

References
----------
Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network",
arXiv:1503.02531 (soft targets).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from napari_densify.core.settings import Triple
from napari_densify.inference.forest import Forest
from napari_densify.training.crops import Crop
from napari_densify.training.samples import sample_paint

__all__ = ["fit_forest", "fit_trees", "guide_loss", "painted_share", "teach"]

_TREES = 40
_DEPTH = 48
# Smallest leaf. A guide learns from few strokes; beside a network a coarse forest is
# as good as a fine one (within 0.001 mean IoU from 4 to 20) and a fifth of the size.
_GUIDE_LEAF = 4
_STORED_LEAF = 20
_SAMPLES = 40_000
# Least probability that a guide is believed; voxels that its frequencies are told from, and
# how often and how far the weights of its classes are moved to meet those wished.
_LEAST = 1e-3
_WEIGHED, _WEIGHINGS, _PACE = 50_000, 60, 0.5


def painted_share(crops: Sequence[Crop]) -> float:
    """Share of annotated voxels in the slices that hold any."""
    painted = total = 0
    for crop in crops:
        known = crop.labels >= 0
        rows = known.flatten(1).sum(1)
        painted += int(rows.sum())
        total += int((rows > 0).sum()) * known[0].numel()
    return painted / max(total, 1)


def fit_forest(
    crops: Sequence[Crop],
    classes: int,
    factor: Triple,
    *,
    leaf: int = _STORED_LEAF,
    seed: int = 0,
) -> Forest:
    """Fit a forest on all paint.

    Parameters
    ----------
    crops
        Crops with features.
    classes
        Number of classes.
    factor
        Working cell (Z, Y, X) in voxels.
    leaf
        Painted voxels in a leaf, at least.
    seed
        Of the forest and its sample of voxels.
    """
    forest = _fit(crops, classes, factor, leaf, seed)
    return Forest.from_trees([t.tree_ for t in forest.estimators_], forest.classes_, classes)


def _fit(crops: Sequence[Crop], classes: int, factor: Triple, leaf: int, seed: int) -> Any:
    random, share = np.random.default_rng(seed), max(1, _SAMPLES // (classes * len(crops)))
    samples = [sample_paint(c, factor, classes, share, random) for c in crops]
    features = np.concatenate([s.rows for s in samples])
    labels = np.concatenate([s.codes for s in samples])
    return fit_trees(features, labels, classes, leaf=leaf, seed=seed)


def fit_trees(
    rows: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int64],
    classes: int,
    *,
    leaf: int,
    seed: int,
) -> Any:
    """Fit scikit-learn's trees: they answer three times as fast as ours, on a CPU.

    Parameters
    ----------
    rows
        ``(n, F)`` features.
    codes
        ``(n,)`` class indices, below ``classes``.
    leaf, seed
        As in :func:`fit_forest`.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    counts = np.bincount(codes, minlength=classes)
    forest = ExtraTreesClassifier(
        _TREES, min_samples_leaf=leaf, max_features=0.5, max_depth=_DEPTH,
        n_jobs=torch.get_num_threads(), random_state=seed,
    )  # fmt: skip
    return forest.fit(rows, codes, sample_weight=(counts[codes] / counts.max()) ** -0.5)


def teach(
    crops: Sequence[Crop],
    classes: int,
    factor: Triple,
    *,
    frequencies: npt.NDArray[np.float64] | None = None,
    seed: int = 0,
) -> list[Crop]:
    """Give each crop a forest's opinion of its painted slices.

    Parameters
    ----------
    crops, classes, factor, seed
        As in :func:`fit_forest`.
    frequencies
        ``(K,)`` of the classes on painted slices, where they are known: the opinions are
        weighed so that on average they are as frequent.

    Returns
    -------
    Crops whose ``teacher`` is ``(K, z, y, x)`` float16 on the working grid; all
    zero in slices without paint.
    """
    forest = _fit(crops, classes, factor, _GUIDE_LEAF, seed)
    taught = [_taught(c, forest, classes, factor) for c in crops]
    return taught if frequencies is None else _weighed(taught, torch.from_numpy(frequencies))


def guide_loss(logits: torch.Tensor, labels: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Cross-entropy to the teacher's probabilities, on voxels that nobody painted.

    Parameters
    ----------
    logits
        ``(N, K, Z, Y, X)``.
    labels
        ``(N, Z, Y, X)``, -1 where not annotated.
    teacher
        ``(N, K, z, y, x)``, a whole fraction of the size of ``logits``.
    """
    target = F.interpolate(teacher.float(), size=logits.shape[2:], mode="nearest")
    weight = ((labels < 0) & (target.sum(1) > 0)).float()
    loss = -(target * torch.log_softmax(logits, 1)).sum(1)
    return (loss * weight).sum() / weight.sum().clamp(min=1)


def _taught(crop: Crop, forest: Any, classes: int, factor: Triple) -> Crop:
    bank, known = _bank(crop), torch.from_numpy(forest.classes_)
    out = torch.zeros((classes, *bank.shape[1:]), dtype=torch.float16)
    painted = (crop.labels >= 0).flatten(1).any(1).view(-1, factor[0]).any(1)
    for z in torch.nonzero(painted).flatten().tolist():
        rows = bank[:, z].flatten(1).T.float().contiguous().numpy()
        found = torch.from_numpy(forest.predict_proba(rows)).half().T
        out[known, z] = found.reshape(len(known), *bank.shape[2:])
    return replace(crop, teacher=out)


def _weighed(crops: Sequence[Crop], frequencies: torch.Tensor) -> list[Crop]:
    """Multiply the odds of the classes, everywhere alike, until they are as frequent."""
    goal = frequencies.float()
    planes = [plane for crop in crops for _, plane in _opinions(crop)]
    step = -(-sum(p[0].numel() for p in planes) // _WEIGHED)
    opinions = torch.cat([p.flatten(1)[:, ::step] for p in planes], 1).float().clamp(min=_LEAST)
    weights = torch.zeros(len(goal), 1)
    for _ in range(_WEIGHINGS):
        mean = torch.softmax(opinions.log() + weights, 0).mean(1)
        weights[:, 0] += _PACE * (goal / mean).log()
    for crop in crops:
        for z, plane in _opinions(crop):
            assert crop.teacher is not None
            odds = plane.float().clamp(min=_LEAST) * weights.exp()[..., None]
            crop.teacher[:, z] = (odds / odds.sum(0)).half()
    return list(crops)


def _opinions(crop: Crop) -> list[tuple[int, torch.Tensor]]:
    """Slices on which a crop has a guide, with its opinions ``(K, y, x)``.

    The others are untouched zero pages, which take no memory.
    """
    assert crop.teacher is not None
    guided = crop.teacher[:, :, 0, 0].sum(0) > 0
    return [(z, crop.teacher[:, z]) for z in torch.nonzero(guided).flatten().tolist()]


def _bank(crop: Crop) -> torch.Tensor:
    if crop.features is None:
        raise ValueError("the teacher needs features")
    return crop.features
