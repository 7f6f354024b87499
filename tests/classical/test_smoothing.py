"""Filters give what scipy gives, to the last bit, whichever part is asked for."""

import numpy as np
import pytest
from scipy import ndimage

from napari_densify.classical.smoothing import box_kernel, gaussian_kernel, separable


@pytest.mark.parametrize("sigmas", [(0.0, 1.0, 2.5), (1.3, 0.7, 0.7), (4.0, 4.0, 4.0)])
@pytest.mark.parametrize("inner", [(0, 30), (0, 1), (14, 15), (27, 30)])
def test_gaussian(sigmas, inner, rng):
    image = rng.normal(0, 50, (30, 70, 1000)).astype(np.float32)
    expected = ndimage.gaussian_filter(image, sigmas)
    part = (slice(*inner), slice(3, 60), slice(0, 990))
    found = separable(image, [gaussian_kernel(s) for s in sigmas], part)
    np.testing.assert_array_equal(found, expected[part])


@pytest.mark.parametrize("depth", [1, 2, 40])
def test_box_with_mirrored_borders(depth, rng):
    image = rng.normal(0, 1, (depth, 20, 30))
    expected = image
    for axis, width in enumerate((5, 3, 7)):
        expected = ndimage.correlate1d(expected, np.full(width, 1 / width), axis, mode="mirror")
    for z in (0, depth - 1):
        part = (slice(z, z + 1), slice(0, 20), slice(0, 30))
        found = separable(image, [box_kernel(w) for w in (5, 3, 7)], part, mode="mirror")
        np.testing.assert_array_equal(found, expected[part])


def test_two_gaussians_in_one_go(rng):
    image = rng.normal(0, 1, (3, 60, 60)).astype(np.float32)
    twice = ndimage.gaussian_filter(ndimage.gaussian_filter(image, 1.5), 3.0)
    whole = tuple(slice(0, n) for n in image.shape)
    found = separable(image, [gaussian_kernel(1.5, 3.0)] * 3, whole)
    np.testing.assert_allclose(found, twice, atol=1e-4)
