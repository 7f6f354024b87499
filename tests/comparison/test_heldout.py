"""Which slices are kept for scoring."""

import numpy as np
import pytest

from napari_densify.comparison import SlicesOf, choose_held_out, painted_slices
from napari_densify.core.errors import InputError


@pytest.mark.parametrize(
    ("painted", "expected"), [([3, 9], 1), ([0, 5, 10], 1), (list(range(0, 30, 3)), 3)]
)
def test_about_a_third_is_kept_and_something_is_left(painted, expected):
    held_out = choose_held_out(painted)
    assert len(held_out) == expected
    assert set(held_out) < set(painted)


def test_one_slice_is_too_few():
    with pytest.raises(InputError, match="second slice"):
        choose_held_out([4])


def test_view_of_some_slices():
    labels = np.arange(1, 5, dtype=np.uint8)[:, None, None] * np.ones((4, 2, 3), np.uint8)
    view = SlicesOf(labels, frozenset({1, 3}))
    assert view.shape == (4, 2, 3)
    np.testing.assert_array_equal(view[:][:, 0, 0], [0, 2, 0, 4])
    np.testing.assert_array_equal(view[1:3, :1, 1:], [[[2, 2]], [[0, 0]]])
    assert view[3].tolist() == [[4] * 3] * 2
    assert not view[2].any()
    assert painted_slices(view) == (1, 3)
    assert (labels > 0).all()
