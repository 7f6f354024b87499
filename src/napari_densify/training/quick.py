"""A quick forest: something useful on screen within a second of the first strokes.

It is fitted to few painted voxels with the features that the network gets as well,
and shown until the network is better. On held-out paint both are scored on the same
voxels; without any, the forest is scored on painted tiles that it did not see
(two folds), and the network on the paint that it learns from.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.core.settings import Triple
from napari_densify.evaluation.confusion import Rates
from napari_densify.inference.predictor import Prepared
from napari_densify.training.crops import Crop
from napari_densify.training.samples import sample_paint

__all__ = ["QuickForest"]

Rows = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]

_TREES = 30
_LEAF = 4
_SAMPLES = 8_000
# Voxels on a side of the tiles that are scored by trees which did not see them.
_TILE = 32


class QuickForest:
    """Extremely randomised trees on the painted voxels of some crops.

    Parameters
    ----------
    crops
        Crops with standardised features.
    classes
        Number of classes.
    factor
        Working cell (Z, Y, X) in voxels.
    seed
        Of trees and sample.

    Attributes
    ----------
    dice
        Mean Dice on painted tiles that the trees did not see; NaN where paint is too
        little to be divided.
    """

    def __init__(
        self, crops: Sequence[Crop], classes: int, factor: Triple, *, seed: int = 0
    ) -> None:
        self.classes, self._factor, self._seed = classes, factor, seed
        self._rows, self._codes, folds = _samples(crops, classes, factor, seed)
        self.dice = self._cross_fit(self._rows, self._codes, folds)

    def probabilities(self, prepared: Prepared) -> Rows:
        """Probabilities ``(K, Z, Y, X)`` of a prepared region.

        The cells are repeated, not interpolated: the answer is a first one.
        """
        if prepared.features is None:
            raise ValueError("the forest needs features")
        cells = tuple(
            slice(s.start // f, -(-s.stop // f))
            for s, f in zip(prepared.crop, self._factor, strict=True)
        )
        bank = prepared.features[(slice(None), *cells)].float().numpy()
        rows = np.ascontiguousarray(bank.reshape(len(bank), -1).T)
        fine = np.zeros((self.classes, *bank.shape[1:]), np.float32)
        found = self._model.predict_proba(rows).T
        fine[self._model.classes_] = found.reshape(-1, *bank.shape[1:])
        for axis, f in enumerate(self._factor, start=1):
            fine = fine.repeat(f, axis) if f > 1 else fine
        inner = tuple(
            slice(s.start - c.start * f, s.stop - c.start * f)
            for s, c, f in zip(prepared.crop, cells, self._factor, strict=True)
        )
        inside: Rows = fine[(slice(None), *inner)]
        return inside

    @cached_property
    def _model(self) -> Any:
        """Trees on all samples: fitted when first asked, as some forests are only scored."""
        return self._fitted(self._rows, self._codes)

    def _fitted(self, rows: Rows, codes: Codes) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier

        forest = ExtraTreesClassifier(
            _TREES,
            min_samples_leaf=_LEAF,
            max_features=0.5,
            n_jobs=torch.get_num_threads(),
            random_state=self._seed,
        )
        return forest.fit(rows, codes)

    def _cross_fit(self, rows: Rows, codes: Codes, folds: npt.NDArray[np.bool_]) -> float:
        counts = np.zeros((self.classes, self.classes + 1), np.int64)
        for fold in (False, True):
            train, test = folds == fold, folds != fold
            if len(np.unique(codes[train])) < 2 or not test.any():
                return float("nan")
            found = self._fitted(rows[train], codes[train]).predict(rows[test])
            np.add.at(counts, (codes[test], found), 1)
        return Rates(counts).mean_dice


def _samples(
    crops: Sequence[Crop], classes: int, factor: Triple, seed: int
) -> tuple[Rows, Codes, npt.NDArray[np.bool_]]:
    """Features, class indices and fold of painted voxels, at most an even share a class.

    Copies of a voxel in the reflected border are left out: they might lie in the other fold.
    """
    random = np.random.default_rng(seed)
    share = max(1, _SAMPLES // (classes * len(crops)))
    found = [sample_paint(c, factor, classes, share, random, mirrored=False) for c in crops]
    z, y, x = np.concatenate([s.place for s in found], 1)
    folds = (y // _TILE + x // _TILE + z) % 2 == 0
    return np.concatenate([s.rows for s in found]), np.concatenate([s.codes for s in found]), folds
