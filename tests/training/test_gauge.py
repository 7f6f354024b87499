"""What a few strokes on a held-out slice say, and what is mixed in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.blocks import Region
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import NetworkConfig
from napari_densify.training.gauge import score_paint


class HalfAndHalf:
    """Answers the first class left of the middle, the second right of it, rather sure."""

    def __init__(self, frequencies: tuple[float, ...] = ()) -> None:
        classes = ClassTable.from_values((1, 2))
        self.spec = ModelSpec(
            network=NetworkConfig(), classes=classes, spacing=(1, 1, 1), frequencies=frequencies
        )

    def predict_region(self, region: Region) -> npt.NDArray[np.float32]:
        z, y, x = (np.arange(s.start, s.stop) for s in region)
        second = np.broadcast_to(np.where(x < 32, 0.1, 0.9), (len(z), len(y), len(x)))
        return np.stack([1 - second, second]).astype(np.float32)


def strokes() -> ArrayAnnotations:
    """As much of either class, the first also where the second is answered."""
    paint = np.zeros((3, 64, 64), np.uint8)
    paint[1, 2:62:4, 8], paint[1, 2:18:4, 40], paint[1, 2:62:4, 50] = 1, 1, 2
    return ArrayAnnotations(paint)


def test_frequencies_told_from_strokes_count_where_the_model_is_asked_what_it_expects() -> None:
    plain, told = (score_paint(HalfAndHalf(f), strokes(), (1,), expects=True)
                   for f in ((), (0.9, 0.1)))  # fmt: skip
    assert told.precision[2] < plain.precision[2] - 0.05  # the second class is rare


def test_where_models_are_compared_paint_alone_counts() -> None:
    plain, told = (score_paint(HalfAndHalf(f), strokes(), (1,)) for f in ((), (0.9, 0.1)))
    assert told.dice == pytest.approx(plain.dice)
