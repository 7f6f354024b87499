from __future__ import annotations

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.io._lazy import LazyArray, guess_axes, order_axes


class Recorder:
    """Array that remembers what was asked of it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.keys: list[tuple[slice, ...]] = []

    def __getitem__(self, key):
        self.keys.append(key)
        return self.array[key]


@pytest.mark.parametrize(
    ("stored", "canonical"),
    [
        ("ZYX", "ZYX"),
        ("XYZ", "ZYX"),
        ("CZYX", "CZYX"),
        ("ZCYX", "CZYX"),
        ("ZYXC", "CZYX"),
        ("TZYXC", "CZYX"),
        ("ZYXS", "CZYX"),
        ("XCYZ", "CZYX"),
    ],
)
def test_any_axis_order_reads_like_its_transposition(stored, canonical):
    sizes = {"T": 1, "C": 2, "S": 2, "Z": 5, "Y": 6, "X": 7}
    array = np.random.default_rng(0).integers(0, 255, [sizes[a] for a in stored])
    wanted = canonical.replace("C", "S") if "S" in stored else canonical
    kept = [i for i, a in enumerate(stored) if a in wanted]
    squeezed = array.reshape([array.shape[i] for i in kept])
    letters = [stored[i] for i in kept]
    expected = squeezed.transpose([letters.index(a) for a in wanted])
    roles, _ = order_axes(stored, array.shape, "here")
    lazy = LazyArray(array, roles, where="here")
    np.testing.assert_array_equal(lazy[...], expected)
    for key in (
        (..., 3),
        (0,),
        (..., slice(1, 5, 2), slice(4, 1, -1), slice(None)),
        (-1, slice(0, 2), 1),
        (slice(None, None, -3),),
    ):
        np.testing.assert_array_equal(lazy[key], expected[key])


def test_slices_between_are_not_read():
    recorder = Recorder(np.arange(100 * 4 * 5).reshape(100, 4, 5))
    lazy = LazyArray(recorder, "ZYX", where="here")
    np.testing.assert_array_equal(lazy[::25, 1:3], recorder.array[::25, 1:3])
    assert [key[0] for key in recorder.keys] == [slice(z, z + 1) for z in (0, 25, 50, 75)]


def test_only_the_chosen_channels_are_read():
    recorder = Recorder(np.arange(4 * 3 * 4 * 5).reshape(4, 3, 4, 5))
    lazy = LazyArray(recorder, "CZYX", where="here", channels=[3, 1])
    np.testing.assert_array_equal(lazy[:, 2], recorder.array[[3, 1], 2])
    assert [key[0] for key in recorder.keys] == [slice(3, 4), slice(1, 2)]


def test_what_is_no_index_into_a_file():
    lazy = LazyArray(np.zeros((3, 4, 5)), "ZYX", where="here")
    for key in (([0, 1],), (0, 0, 0, 0), (3,), (-4,), ("z",)):
        with pytest.raises(IndexError):
            lazy[key]


def test_a_source_that_gives_less_than_it_promised():
    class Short(Recorder):
        def __getitem__(self, key):
            return self.array[:1][key]

    lazy = LazyArray(Short(np.zeros((3, 4, 5))), "ZYX", where="here.tif")
    with pytest.raises(InputError, match=r"here\.tif: a piece of shape \(1, 4, 5\)"):
        lazy[...]


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((20, 30), "YX"),
        ((9, 20, 30), "ZYX"),
        ((20, 30, 3), "YXC"),
        ((3, 9, 20, 30), "CZYX"),
        ((9, 20, 30, 2), "ZYXC"),
        ((1, 9, 20, 30, 1), "TZYXC"),
        ((1, 2, 9, 20, 30), "TCZYX"),
        ((3, 3, 3), "ZYX"),
    ],
)
def test_axes_that_are_not_named(shape, axes):
    assert guess_axes(shape) == axes


@pytest.mark.parametrize("shape", [(5,), (2, 2, 2, 2, 2, 2)])
def test_shapes_that_are_no_volume(shape):
    with pytest.raises(InputError, match="axes are not understood"):
        order_axes(guess_axes(shape), shape, "here")
