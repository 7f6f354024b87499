"""Whatever index napari, a plugin or a user's script uses, it means what it means in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from napari_densify.annotations.indexing import select

SHAPE = (4, 9, 11)
ARRAY = np.arange(np.prod(SHAPE)).reshape(SHAPE)
MASK = ARRAY % 7 == 0
a = np.array

KEYS = [
    2,
    -1,
    np.int64(3),
    (1, 2, 3),
    (1, -2),
    (Ellipsis,),
    (),
    Ellipsis,
    (Ellipsis, 3),
    (1, Ellipsis, 2),
    slice(None),
    (slice(1, 3), slice(2, 30), slice(-4, None)),
    (slice(None, None, 2), slice(8, 1, -3)),
    (slice(3, None, -1), slice(None, None, -1)),
    (slice(2, 2), 1),
    (1, slice(3, 7), slice(2, 5)),
    (a([0, 3, 3]), a([1, 2, -1]), a([0, 10, 5])),
    (1, a([2, 4]), a([5, 6])),
    ([0, 1], slice(2, 4)),
    (slice(1, 3), a([[1, 2], [3, 4]]), slice(None)),
    MASK,
    MASK[0, :, 0:1][None].repeat(4, 0).repeat(11, 2),
    (2, MASK[2]),
    (a([], int), a([], int), a([], int)),
    (None, 1, slice(2, 4)),
    (slice(1, 2), None, 3),
    (np.s_[1:3], 4, a([1, 5])),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda k: repr(k)[:50].replace("\n", ""))
def test_box_and_local_index_mean_what_the_index_means(key):
    selection = select(key, SHAPE)
    np.testing.assert_array_equal(ARRAY[selection.box][selection.local], ARRAY[key])
    points = selection.points()
    if points is not None:
        np.testing.assert_array_equal(ARRAY[tuple(points)], ARRAY[key])


@pytest.mark.parametrize("key", [4, -5, (0, 0, 11), (0, 0, 0, 0), "a", 1.5, (a([0, 9]), 0)])
def test_what_numpy_refuses_is_refused(key):
    with pytest.raises(IndexError):
        ARRAY[key]
    with pytest.raises(IndexError):
        select(key, SHAPE)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ((1, slice(2, 5), slice(3, 6)), np.arange(9).reshape(3, 3)),
        ((slice(0, 2), 3), np.arange(11)),
        ((slice(0, 1), slice(2, 4), slice(3, 5)), [[7, 8], [9, 10]]),
        ((slice(2, 4), slice(2, 4), 3), np.arange(2)[:, None]),
        ((1, 2, 3), 5),
    ],
)
def test_an_assigned_value_is_broadcast_like_numpy(key, value):
    selection = select(key, SHAPE)
    expected, found = ARRAY.copy(), ARRAY.copy()
    expected[key] = value
    assert selection.plain
    found[selection.box] = selection.values(value, ARRAY.dtype)
    np.testing.assert_array_equal(found, expected)


def test_values_that_do_not_fit_are_refused():
    selection = select((1, slice(0, 3)), SHAPE)
    with pytest.raises(ValueError, match="broadcast"):
        selection.values(np.zeros((2, 11)), ARRAY.dtype)
    with pytest.raises(OverflowError):
        selection.values(300, np.dtype(np.uint8))
