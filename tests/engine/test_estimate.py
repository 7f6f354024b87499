from __future__ import annotations

import numpy as np
import pytest

from napari_densify.core.blocks import region_shape
from napari_densify.core.volume import Volume
from napari_densify.engine.estimate import estimate_prediction, middle


@pytest.mark.parametrize("shape", [(1, 40, 50), (300, 400, 500), (4096, 4096, 4096), (3, 9000, 2)])
def test_box_in_the_middle(shape):
    box = middle(shape, 200_000)
    size = region_shape(box)
    assert 0 < np.prod(size) <= max(250_000, shape[0] * 64 * 64)
    for side, length, n in zip(box, shape, size, strict=True):
        assert 0 <= side.start < side.stop <= length
        assert abs(side.start - (length - n) / 2) <= 0.5


def test_estimate_grows_with_the_volume(rng):
    small = Volume(rng.integers(0, 255, (16, 96, 96), np.uint8))
    large = Volume(rng.integers(0, 255, (160, 96, 96), np.uint8))
    seconds = [estimate_prediction(volume)["predict_s"] for volume in (small, small, large)]
    assert seconds[2] > 2 * seconds[1]


def test_memory_of_a_block_is_bounded():
    data = np.broadcast_to(np.uint8(7), (4096, 4096, 4096))
    estimate = estimate_prediction(Volume(data))
    assert estimate["predict_bytes"] < 8 * 2**30
    assert "U-Net" in estimate["plan"]
