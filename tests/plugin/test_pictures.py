import numpy as np
import pytest

from napari_densify.plugin.pictures import DIVIDER, Difference, SliceOf, Swiped


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


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_swipe_is_one_before_the_line_and_the_other_behind_it(pair, axis):
    first, second = pair
    parts = np.split(np.arange(first.shape[axis]), [2, 3])
    taken = [a.take(n, axis) for a, n in zip((first, second, second), parts, strict=True)]
    taken[1] = np.full_like(taken[1], DIVIDER, dtype=np.uint16)
    expected = np.concatenate(taken, axis)
    found = Swiped(first, second, axis=axis, line=2, width=1)
    np.testing.assert_array_equal(np.asarray(found), expected)
    for key in (2, (2, slice(1, 5)), (slice(None), 3), (slice(1, 4), slice(None), 7), (1, 2, 3)):
        np.testing.assert_array_equal(found[key], expected[key])
    np.testing.assert_array_equal(Swiped(first, second, axis=axis, line=0), second)
    length = first.shape[axis]
    np.testing.assert_array_equal(Swiped(first, second, axis=axis, line=length), first)


def test_swipe_of_other_shapes_is_refused(pair):
    with pytest.raises(ValueError, match="differ"):
        Swiped(pair[0], pair[1][:3], axis=0, line=1)
