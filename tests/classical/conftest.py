"""Small painted volumes: flat, anisotropic, with two classes and with three."""

import numpy as np
import pytest

from napari_densify.core.volume import Volume


def _three_classes(shape, spacing, seed=0):
    """Dark background, grey ellipsoids, bright cores; two slices painted (or one, in 2D)."""
    rng = np.random.default_rng(seed)
    grids = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    truth = np.ones(shape, np.uint8)
    for y, x in ((10, 11), (28, 30)):
        radius = (
            ((grids[0] - shape[0] / 2) * spacing[0] / spacing[2]) ** 2 / 9
            + (grids[1] - y) ** 2
            + (grids[2] - x) ** 2
        )
        truth[radius < 64] = 2
        truth[radius < 16] = 3
    image = np.choose(truth - 1, [40, 120, 210]) + rng.normal(0, 6, shape)
    paint = np.zeros_like(truth)
    slices = [0] if shape[0] == 1 else [1, shape[0] // 2, shape[0] - 2]
    paint[slices] = truth[slices]
    return Volume(image.clip(0, 255).astype(np.uint8), spacing, True, "cells"), truth, paint


@pytest.fixture(params=["2d", "3d", "anisotropic"])
def cells(request):
    shape, spacing = {
        "2d": ((1, 40, 42), (1.0, 5.0, 5.0)),
        "3d": ((12, 40, 42), (5.0, 5.0, 5.0)),
        "anisotropic": ((7, 40, 42), (20.0, 5.0, 5.0)),
    }[request.param]
    return _three_classes(shape, spacing)


@pytest.fixture
def stack():
    return _three_classes((7, 40, 42), (20.0, 5.0, 5.0))
