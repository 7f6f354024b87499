from __future__ import annotations

import numpy as np
import pytest

from napari_densify.annotations import interpolate_between, neighbours_of
from napari_densify.core.errors import InputError

YY, XX = np.mgrid[:64, :64]


def disc(y, x, radius):
    return np.hypot(YY - y, XX - x) <= radius


@pytest.fixture
def labels():
    """Two fully painted slices with a disc that grows and moves."""
    labels = np.zeros((9, 64, 64), np.uint8)
    labels[[1, 7]] = 1
    labels[1][disc(30, 20, 8)] = 2
    labels[7][disc(30, 32, 14)] = 2
    return labels


def test_a_disc_grows_and_moves_in_between(labels):
    edit = interpolate_between(labels, 1, 7)
    edit.apply(labels)
    assert (labels[2:7] != 0).all()
    assert not labels[[0, 8]].any()
    areas = [np.count_nonzero(labels[z] == 2) for z in range(1, 8)]
    assert areas == sorted(areas)
    wanted = disc(30, 26, 11)
    both = np.count_nonzero((labels[4] == 2) & wanted)
    assert 2 * both / (areas[3] + wanted.sum()) > 0.9


def test_paint_wins_over_the_proposal(labels):
    labels[4, 30, 26] = 1
    edit = interpolate_between(labels, 1, 7)
    edit.apply(labels)
    assert labels[4, 30, 26] == 1
    assert labels[4, 31, 26] == 2


def test_nothing_is_proposed_where_nothing_is_painted():
    labels = np.zeros((5, 64, 64), np.uint8)
    labels[0][disc(20, 20, 8)] = 1
    labels[4][disc(20, 20, 8)] = 1
    labels[0][disc(20, 20, 3)] = labels[4][disc(20, 20, 3)] = 2
    edit = interpolate_between(labels, 0, 4)
    edit.apply(labels)
    np.testing.assert_array_equal(labels[2], labels[0])


def test_a_class_that_ends_tapers(labels):
    labels[7] = 1
    interpolate_between(labels, 1, 7).apply(labels)
    areas = [np.count_nonzero(labels[z] == 2) for z in range(1, 8)]
    assert areas[0] > areas[1] > areas[2] > 0
    assert areas[4:] == [0, 0, 0]


def test_the_longer_pixel_side_counts(labels):
    square = interpolate_between(labels, 1, 7)
    long = interpolate_between(labels, 1, 7, spacing=(10.0, 1.0))
    assert (square.values != long.values).any()


def test_which_slices_are_meant():
    assert neighbours_of(4, {1, 7, 9}) == (1, 7)
    assert neighbours_of(1, {1, 7}) == (1, 7)
    with pytest.raises(InputError, match="does not lie between"):
        neighbours_of(8, {1, 7})
    with pytest.raises(InputError, match="none between"):
        neighbours_of(1, {1, 2})
