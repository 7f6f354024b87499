from __future__ import annotations

import numpy as np
import pytest

from napari_densify.core.normalisation import (
    Intensity,
    NormalisationConfig,
    measure_intensity,
    normalise,
)
from napari_densify.core.volume import Volume


def test_a_measured_volume_gets_mean_0_and_deviation_1(rng):
    data = rng.normal(120, 15, (4, 64, 64)).astype(np.float32)
    volume = Volume(data)
    out = normalise(volume.read(), measure_intensity(volume))
    assert out.dtype == np.float32
    assert abs(out.mean()) < 0.01
    assert abs(out.std() - 1) < 0.01


def test_each_channel_is_measured_on_its_own(rng):
    data = np.stack([rng.normal(m, s, (2, 32, 32)) for m, s in ((10, 1), (5000, 300))])
    volume = Volume(data)
    out = normalise(volume.read(), measure_intensity(volume))
    np.testing.assert_allclose(out.mean((1, 2, 3)), 0, atol=0.02)
    np.testing.assert_allclose(out.std((1, 2, 3)), 1, atol=0.02)


def test_few_hot_voxels_do_not_change_the_scale(rng):
    data = rng.normal(100, 10, (4, 64, 64))
    plain = measure_intensity(Volume(data))
    data.ravel()[:10] = 1e9
    hot = measure_intensity(Volume(data))
    assert hot.scale[0] == pytest.approx(plain.scale[0], rel=0.05)


def test_nan_and_infinity_are_left_out_and_become_finite(rng):
    data = rng.normal(100, 10, (2, 32, 32)).astype(np.float32)
    data[0, :4] = np.nan
    data[1, 0, 0], data[1, 0, 1] = np.inf, -np.inf
    volume = Volume(data)
    intensity = measure_intensity(volume)
    out = normalise(volume.read(), intensity)
    assert np.isfinite(out).all()
    assert (out[0, 0, :4] == 0).all()
    assert intensity.offset[0] == pytest.approx(100, abs=2)


@pytest.mark.parametrize("value", [0, 7, np.nan])
def test_a_volume_of_one_value_stays_finite(value):
    volume = Volume(np.full((2, 8, 8), value, np.float32))
    assert (normalise(volume.read(), measure_intensity(volume)) == 0).all()


def test_kind_none_changes_nothing_but_the_dtype():
    data = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    volume = Volume(data)
    intensity = measure_intensity(volume, NormalisationConfig(kind="none"))
    np.testing.assert_array_equal(normalise(volume.read(), intensity)[0], data)


def test_no_more_is_read_than_allowed():
    class Counted:
        shape, dtype, read = (200, 300, 300), np.dtype(np.uint8), 0

        def __getitem__(self, key):
            part = np.zeros([s.stop - s.start for s in key], np.uint8)
            Counted.read += part.size
            return part

    measure_intensity(Volume(Counted()), max_voxels=100_000)
    assert 0 < Counted.read <= 100_000


def test_of_a_single_image_more_than_a_small_middle_is_measured():
    image = np.zeros((1, 1200, 1200), np.uint8)
    image[:, :300] = 200
    assert measure_intensity(Volume(image)).offset[0] == pytest.approx(50)


def test_statistics_do_not_depend_on_the_tile(rng):
    data = rng.integers(0, 255, (4, 32, 32)).astype(np.uint8)
    volume = Volume(data)
    intensity = measure_intensity(volume)
    whole = normalise(volume.read(), intensity)
    tile = normalise(volume.read((slice(1, 2), slice(3, 9), slice(4, 8))), intensity)
    np.testing.assert_array_equal(tile, whole[:, 1:2, 3:9, 4:8])


def test_intensity_survives_json(rng):
    intensity = measure_intensity(Volume(rng.normal(0, 1, (1, 9, 9))))
    assert Intensity.model_validate_json(intensity.model_dump_json()) == intensity


def test_large_numbers_keep_their_contrast(rng):
    image = (10**9 + rng.integers(0, 50, (4, 16, 16))).astype(np.int32)
    intensity = measure_intensity(Volume(image))
    out = normalise(image[None], intensity)
    assert out.dtype == np.float32
    assert len(np.unique(out)) == len(np.unique(image))


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", ">u2", ">i2"])
def test_a_table_of_all_values_changes_no_voxel(rng, kind):
    bounds = np.iinfo(kind)
    image = rng.integers(bounds.min, bounds.max, (2, 3, 20, 30), endpoint=True).astype(kind)
    intensity = Intensity(low=(-20, 3), high=(90, 101), offset=(9.5, 50), scale=(7.3, 21))
    tile = image[:, :, ::2, 3:]
    np.testing.assert_array_equal(
        normalise(tile, intensity), normalise(tile.astype(np.float32), intensity)
    )
