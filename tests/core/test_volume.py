from __future__ import annotations

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.core.volume import Volume

REGION = (slice(1, 3), slice(0, 2), slice(2, 5))


class ReadsCounted:
    """An array that remembers which parts of it were read."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.voxels_read = 0

    def __getitem__(self, key):
        part = self.data[key]
        self.voxels_read += part.size
        return part


def test_a_plain_volume_reads_as_one_channel():
    data = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    volume = Volume(data)
    assert (volume.shape, volume.channels, volume.dtype) == ((3, 4, 5), 1, np.uint16)
    np.testing.assert_array_equal(volume.read(REGION), data[REGION][None])
    np.testing.assert_array_equal(volume.read_labels(REGION), data[REGION])


def test_channels_come_first():
    data = np.arange(120).reshape(2, 3, 4, 5)
    volume = Volume(data)
    assert (volume.shape, volume.channels) == ((3, 4, 5), 2)
    np.testing.assert_array_equal(volume.read(REGION), data[(slice(None), *REGION)])


def test_only_what_is_asked_for_is_read():
    data = ReadsCounted(np.zeros((30, 40, 50), np.uint8))
    Volume(data).read(REGION)
    assert data.voxels_read == 2 * 2 * 3


@pytest.mark.parametrize("shape", [(4,), (4, 5), (1, 2, 3, 4, 5)])
def test_other_numbers_of_axes_are_refused(shape):
    with pytest.raises(InputError, match=f"{len(shape)} axes") as caught:
        Volume(np.zeros(shape), source="a.tif")
    assert caught.value.where == "a.tif"


def test_an_empty_array_is_refused():
    with pytest.raises(InputError, match="empty"):
        Volume(np.zeros((3, 0, 5)), name="nothing")


def test_labels_with_channels_are_refused():
    with pytest.raises(InputError, match="several channels"):
        Volume(np.zeros((2, 3, 4, 5), np.uint8)).read_labels()


def test_a_stated_voxel_size_is_known():
    volume = Volume(np.zeros((1, 2, 2)))
    assert not volume.spacing_known
    stated = volume.with_spacing((30.0, 4.0, 4.0))
    assert stated.spacing == (30.0, 4.0, 4.0)
    assert stated.spacing_known
    assert stated.data is volume.data
