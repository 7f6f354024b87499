"""The best checkpoint: the weights of the moment that scored best on held-out paint."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from napari_densify.core.events import HeldOutScore

__all__ = ["BestWeights"]


class BestWeights:
    """Keeps a copy of the weights with the highest held-out Dice so far.

    Attributes
    ----------
    score
        What they scored; None before the first offer.
    weights
        Copy of them, by name.
    """

    def __init__(self) -> None:
        self.score: HeldOutScore | None = None
        self.weights: dict[str, Tensor] = {}

    def offer(self, score: HeldOutScore, weights: Mapping[str, Tensor]) -> bool:
        """Copy these weights if they are better; of two that score alike the first stays.

        Scores on other slices than before begin anew: they can't be compared.
        """
        alike = self.score is not None and self.score.slices == score.slices
        best = self.score.mean_dice if self.score is not None and alike else -math.inf
        if not score.mean_dice > best:  # NaN is never better
            return False
        self.score = score
        self.weights = {name: value.detach().clone() for name, value in weights.items()}
        return True
