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
import torch
import torch.nn.functional as F

from napari_densify.core.settings import Triple
from napari_densify.inference.forest import Forest
from napari_densify.training.crops import Crop
from napari_densify.training.samples import sample_paint

__all__ = ["fit_forest", "guide_loss", "painted_share", "teach"]

_TREES = 40
_DEPTH = 48
# Smallest leaf. A guide learns from few strokes; beside a network a coarse forest is
# as good as a fine one (within 0.001 mean IoU from 4 to 20) and a fifth of the size.
_GUIDE_LEAF = 4
_STORED_LEAF = 20
_SAMPLES = 40_000


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
    """Fit scikit-learn's trees: they answer three times as fast as ours, on a CPU."""
    from sklearn.ensemble import ExtraTreesClassifier

    random, share = np.random.default_rng(seed), _SAMPLES // (classes * len(crops))
    samples = [sample_paint(c, factor, classes, share, random) for c in crops]
    features = np.concatenate([s.rows for s in samples])
    labels = np.concatenate([s.codes for s in samples])
    counts = np.bincount(labels, minlength=classes)
    forest = ExtraTreesClassifier(
        _TREES, min_samples_leaf=leaf, max_features=0.5, max_depth=_DEPTH,
        n_jobs=torch.get_num_threads(), random_state=seed,
    )  # fmt: skip
    return forest.fit(features, labels, sample_weight=(counts[labels] / counts.max()) ** -0.5)


def teach(crops: Sequence[Crop], classes: int, factor: Triple, *, seed: int = 0) -> list[Crop]:
    """Give each crop a forest's opinion of its painted slices.

    Returns
    -------
    Crops whose ``teacher`` is ``(K, z, y, x)`` float16 on the working grid; all
    zero in slices without paint. For the parameters see :func:`fit_forest`.
    """
    forest = _fit(crops, classes, factor, _GUIDE_LEAF, seed)
    return [_taught(c, forest, classes, factor) for c in crops]


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


def _bank(crop: Crop) -> torch.Tensor:
    if crop.features is None:
        raise ValueError("the teacher needs features")
    return crop.features
