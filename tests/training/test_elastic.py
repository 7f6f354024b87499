"""Displacement fields against scipy's splines."""

import numpy as np
import torch
from scipy import ndimage

from napari_densify.training.elastic import interpolate_field, spline_matrix


def test_field_is_scipys_cubic_interpolation() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(1, 3, 4, 5, 6)
    axes = [tuple(np.linspace(0.2, n - 1.4, 7).tolist()) for n in (4, 5, 6)]
    field = interpolate_field(vectors, (axes[0], axes[1], axes[2]))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    for c in range(3):
        expected = ndimage.map_coordinates(vectors[0, c].numpy(), grid, order=3, mode="mirror")
        np.testing.assert_allclose(field[0, c], expected, atol=1e-4)


def test_field_passes_through_the_grid_points() -> None:
    vectors = torch.randn(2, 3, 3, 4, 5)
    axes = tuple(tuple(float(i) for i in range(n)) for n in (3, 4, 5))
    torch.testing.assert_close(interpolate_field(vectors, axes), vectors, atol=1e-5, rtol=1e-5)


def test_a_single_grid_point_is_a_constant() -> None:
    assert spline_matrix(1, (0.0, 0.7)).tolist() == [[1.0], [1.0]]
