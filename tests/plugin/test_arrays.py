from __future__ import annotations

import numpy as np
import pytest

from napari_densify.plugin.arrays import LazyView, ThinnedArray, pyramid_of


class Counted:
    """A numpy array that counts the voxels read from it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, 0

    def __getitem__(self, key):
        part = self.array[key]
        self.read += part.size
        return part


@pytest.fixture
def array(rng):
    return rng.integers(0, 255, (9, 20, 30), np.uint8)


def test_a_tile_of_all_slices_is_read_when_one_is_picked(array):
    counted = Counted(array)
    tile = LazyView(counted)[:, 3:13, 5:25]
    assert (tile.shape, counted.read) == ((9, 10, 20), 0)
    np.testing.assert_array_equal(tile[4], array[4, 3:13, 5:25])
    assert counted.read == 200
    np.testing.assert_array_equal(tile[..., 2], array[:, 3:13, 7])
    np.testing.assert_array_equal(np.asarray(tile[2:4]), array[2:4, 3:13, 5:25])


@pytest.mark.parametrize(
    "key",
    [
        (-1,),
        (slice(None, None, 2), 3),
        (slice(5, 1, -2),),
        (slice(None, None, -1), slice(2, 9)),
        (..., slice(1, 30, 7)),
        (2, -3, 4),
    ],
)
def test_any_other_index_gives_what_numpy_gives(array, key):
    np.testing.assert_array_equal(LazyView(array)[key], array[key])
    inner = LazyView(array)[1:8, 2:18, 3:]
    np.testing.assert_array_equal(inner[key], array[1:8, 2:18, 3:][key])


def test_a_layer_reads_one_slice_of_each_level(array):
    from napari.components import ViewerModel

    levels = [Counted(array), Counted(array[:, ::2, ::2])]
    viewer = ViewerModel()
    layer = viewer.add_image(pyramid_of(levels), multiscale=True, contrast_limits=(0, 255))
    for level in levels:
        level.read = 0
    viewer.dims.set_current_step(0, 7)
    assert sum(level.read for level in levels) <= array[0].size * 2
    np.testing.assert_array_equal(layer.data[0][7], array[7])


def test_thinned_levels_are_added_until_a_plane_is_small(array):
    levels = pyramid_of([array], 10)
    assert [level.shape for level in levels] == [(9, 20, 30), (9, 10, 15), (9, 5, 8)]
    np.testing.assert_array_equal(levels[2][3, 1:, :6], array[3, ::4, ::4][1:, :6])
    assert pyramid_of([array]) is array
    np.testing.assert_array_equal(ThinnedArray(array, 3)[-1, -2], array[-1, ::3, ::3][-2])
