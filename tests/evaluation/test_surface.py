"""Surface distances with spacing."""

import numpy as np
import pytest

from napari_densify.evaluation import surface_distances


def slab(z0, z1):
    mask = np.zeros((20, 6, 6), bool)
    mask[z0:z1] = True
    return mask


def test_distance_between_parallel_faces_is_in_nm():
    result = surface_distances(slab(0, 5), slab(0, 8), spacing=(50, 4, 4))
    assert result.hausdorff == pytest.approx(150)
    assert result.mean == pytest.approx(150)


def test_same_mask_is_at_distance_zero():
    assert surface_distances(slab(3, 9), slab(3, 9)).hausdorff_95 == 0


def test_single_slice_is_two_dimensional():
    a, b = np.zeros((2, 1, 20, 20), bool)
    a[0, 5:15, 5:15] = True
    b[0, 5:15, 5:17] = True
    assert surface_distances(a, b, spacing=(1, 1, 3)).hausdorff == pytest.approx(6)


def test_empty_mask_has_no_distance():
    assert surface_distances(slab(0, 0), slab(0, 3)).mean is None
