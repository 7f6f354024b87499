import numpy as np
import pytest

from napari_densify.plugin.pictures import Difference, SliceOf


@pytest.fixture
def pair(rng):
    return rng.integers(0, 4, (2, 5, 9, 11)).astype(np.uint8)


@pytest.mark.parametrize("value", [0, 1, 3])
def test_difference_is_what_numpy_says(pair, value):
    first, second = pair
    both = (first > 0) & (second > 0) & (first != second)
    found = Difference(first, second, value)
    if value:
        expected = np.where(first == value, 1, np.where(second == value, 2, 0)) * both
    else:
        expected = 3 * both
    np.testing.assert_array_equal(np.asarray(found), expected)
    for key in (2, (2, slice(1, 5)), (slice(None), 3), (slice(1, 4), slice(None), 7)):
        np.testing.assert_array_equal(found[key], expected[key])


def test_difference_of_other_shapes_is_refused(pair):
    with pytest.raises(ValueError, match="differ"):
        Difference(pair[0], pair[1][:3])


def test_a_slice_lies_at_its_place(rng):
    labels = rng.integers(1, 5, (1, 6, 4)).astype(np.uint8)
    region = (slice(3, 4), slice(2, 8), slice(5, 9))
    dense = np.zeros((7, 10, 12), np.uint8)
    dense[region] = labels
    array = SliceOf(dense.shape, region, labels)
    for key in (
        3,
        2,
        (3, slice(4, 9)),
        (slice(None), 5),
        (slice(2, 5), slice(None), 6),
        slice(None),
    ):
        np.testing.assert_array_equal(array[key], dense[key])
    assert array[3, 4, 6] == dense[3, 4, 6]
