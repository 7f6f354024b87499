"""The torch features against the numpy ones that forests use."""

import numpy as np
import pytest
import torch

from napari_densify.classical.features import compute_features
from napari_densify.core.settings import FeatureConfig
from napari_densify.networks.features import MultiscaleFeatures


@pytest.mark.parametrize(
    "config",
    [
        FeatureConfig(),
        FeatureConfig(sigmas=(1.0, 7.0), kinds=("hessian", "intensity")),
        FeatureConfig(sigmas=(1.0, 7.0), depth=2, anisotropy=3.0),
    ],
)
def test_equal_to_the_numpy_features(config: FeatureConfig) -> None:
    image = np.random.default_rng(0).normal(size=(2, 20, 72, 96)).astype(np.float32)
    expected = np.concatenate([compute_features(channel, config) for channel in image])
    found = MultiscaleFeatures(config)(torch.from_numpy(image)[None])
    inside = slice(config.reach, 20 - config.reach)  # slices beyond the ends differ
    np.testing.assert_allclose(found[0, :, inside], expected[:, inside], atol=1e-5)


def test_planes_are_halved_for_large_scales_only() -> None:
    assert MultiscaleFeatures(FeatureConfig(sigmas=(1.0, 5.0))).step == 1
    assert MultiscaleFeatures(FeatureConfig(sigmas=(1.0, 6.0))).step == 2
    assert MultiscaleFeatures(FeatureConfig(sigmas=(24.0,))).step == 8
