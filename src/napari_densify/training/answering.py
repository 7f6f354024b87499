"""Who answers what is on screen: a quick forest, the network beside it, or the network alone.

The forest is there within a second, the network needs minutes to be better. Between the
two their opinions are pooled (:func:`napari_densify.inference.forest.opinion_pool`): a
network of few steps says little, so the pool begins as the forest and grows away from
it. On held-out paint all three are scored and the best one answers; without any, the
network joins after a few steps and answers alone once it knows its paint as well as
the forest knows tiles of paint that it did not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.annotations import Annotations
from napari_densify.core.blocks import Region
from napari_densify.core.model import ModelSpec
from napari_densify.inference.forest import opinion_pool
from napari_densify.inference.predictor import Predictor, Prepared
from napari_densify.training.crops import Crop
from napari_densify.training.gauge import score_paint
from napari_densify.training.quick import QuickForest

__all__ = ["Answerer"]

Who = Literal["forest", "both", "network"]
Rows = npt.NDArray[np.float32]

# Steps after which the network has a say; after which it is compared with the forest
# first, and how much later again.
_JOINS, _FIRST_TRIAL, _NEXT_TRIAL = 4, 10, 1.6
# Dice by which the network may fall short of the forest and is shown all the same.
_AS_GOOD = 0.02
# Weight of the forest beside the network.
_WEIGHT = 0.5


class Answerer:
    """Decides who answers, and answers.

    Parameters
    ----------
    annotations
        Paint of the volume.
    held_out
        Painted slices that are not trained on; they decide.
    """

    def __init__(self, annotations: Annotations, held_out: Sequence[int]) -> None:
        self._annotations, self._held_out = annotations, tuple(held_out)
        self._forest: QuickForest | None = None
        self.who: Who = "network"
        self._trusted = False  # whether the network has been as good as all else
        self._trial = float(_FIRST_TRIAL)

    @property
    def ready(self) -> bool:
        """Whether the forest has a say; so there is an answer before the first step."""
        return self._forest is not None

    def learn(self, crops: Sequence[Crop], spec: ModelSpec) -> None:
        """Let the forest learn the paint, as long as it has a say."""
        if self._trusted or any(c.features is None for c in crops):
            return
        if self._forest is None:
            self.who = "forest"
        self._forest = QuickForest(crops, len(spec.classes), spec.working_factor)

    def on_trial(self, step: int) -> bool:
        """Whether it should be judged who answers from now on."""
        return not self._trusted and step >= self._trial

    def joins(self, step: int) -> bool:
        """Let the network have its say once it has done a few steps; whether it does now."""
        if self.who != "forest" or not _JOINS <= step < _FIRST_TRIAL:
            return False
        self.who = "both"
        return True

    def judge(self, predictor: Predictor, step: int) -> bool:
        """Compare them; return whether another one answers from now on."""
        before, self._trial = self.who, step * _NEXT_TRIAL
        self.who = self._best(predictor)
        self._trusted = self.who == "network"
        if self._trusted:
            self._forest = None
        return self.who != before

    def _best(self, predictor: Predictor) -> Who:
        forest = self._forest
        if forest is None:
            return "network"
        paint, slices = self._annotations, _two(self._held_out)
        if not slices:
            some = _two(sorted(paint.slice_counts()))
            mine = score_paint(predictor, paint, some).mean_dice
            # NaN: nothing speaks for the forest. The network is what will be saved.
            return "both" if mine < forest.dice - _AS_GOOD else "network"
        rivals = _Rivals(predictor, forest)
        scores = {w: score_paint(_Voice(rivals, w), paint, slices).mean_dice for w in rivals.all}
        best = max((s for s in scores.values() if s == s), default=0.0)
        return next((w for w in rivals.all if scores[w] >= best - _AS_GOOD), "network")

    def indices(self, predictor: Predictor, prepared: Prepared) -> npt.NDArray[np.int64]:
        """Class indices ``(Z, Y, X)`` of a prepared region."""
        forest = self._forest
        if forest is None:
            opinion = predictor.compute(prepared)
        elif self.who == "both":
            opinion = _pool(predictor.compute(prepared), forest.probabilities(prepared))
        else:
            opinion = forest.probabilities(prepared)
        best: npt.NDArray[np.int64] = opinion.argmax(0)
        return best

    def words(self, step: int) -> str:
        """Say who answers."""
        if self.who == "forest":
            return "random forest for now"
        return f"step {step}" + (" with a random forest" if self.who == "both" else "")


def _two(slices: Sequence[int]) -> Sequence[int]:
    """Two slices at most, far apart: more would hold up whoever paints and looks."""
    return slices[:: max(1, len(slices) // 2)][:2]


class _Rivals:
    """Network and forest on the same regions; what each says is computed once.

    Parameters
    ----------
    predictor, forest
        The two.
    """

    all: tuple[Who, ...] = ("network", "both", "forest")

    def __init__(self, predictor: Predictor, forest: QuickForest) -> None:
        self.predictor, self._forest = predictor, forest
        self._known: dict[str, tuple[Rows, Rows]] = {}

    def predict(self, region: Region, who: Who) -> Rows:
        """Probabilities ``(K, Z, Y, X)``."""
        if str(region) not in self._known:
            prepared = self.predictor.prepare(region, always=True)
            network = self.predictor.compute(prepared)
            self._known[str(region)] = network, self._forest.probabilities(prepared)
        network, forest = self._known[str(region)]
        return {"network": network, "forest": forest}.get(who, _pool(network, forest))


class _Voice:
    """One of the rivals behind the face of a predictor, to be scored by the same rule."""

    def __init__(self, rivals: _Rivals, who: Who) -> None:
        self._rivals, self._who = rivals, who

    @property
    def spec(self) -> ModelSpec:
        """That of the network."""
        return self._rivals.predictor.spec

    def predict_region(self, region: Region) -> Rows:
        """Probabilities ``(K, Z, Y, X)``."""
        return self._rivals.predict(region, self._who)


def _pool(network: Rows, forest: Rows) -> Rows:
    both = opinion_pool(torch.from_numpy(network), torch.from_numpy(forest.copy()), _WEIGHT)
    pooled: Rows = both.numpy()
    return pooled
