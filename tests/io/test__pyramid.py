from __future__ import annotations

import numpy as np
import pytest
import zarr

from napari_densify.io import create_sink, describe, open_labels, write_labels, write_volume
from napari_densify.io._pyramid import level_factors


@pytest.mark.parametrize(
    ("shape", "spacing", "expected"),
    [
        ((10, 1024, 1024), (1, 1, 1), [(1, 1, 1)]),
        ((3000, 3000, 3000), (8, 8, 8), [(1, 1, 1), (2, 2, 2), (4, 4, 4)]),
        ((20, 3000, 2000), (40, 8, 8), [(1, 1, 1), (1, 2, 2), (1, 4, 4)]),
        ((1, 1100, 900), (1, 1, 1), [(1, 1, 1), (1, 2, 2)]),
        ((64, 5000, 900), (20, 8, 8), [(1, 1, 1), (1, 2, 2), (2, 4, 4), (4, 8, 8)]),
    ],
)
def test_the_finest_axes_are_halved_until_a_plane_is_small(shape, spacing, expected):
    assert level_factors(shape, spacing) == expected


def test_a_large_result_has_coarser_levels(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_densify.io._pyramid._COARSEST", 16)
    monkeypatch.setattr("napari_densify.io._pyramid._BLOCK", (4, 16, 16))
    labels = np.random.default_rng(0).integers(0, 9, (7, 37, 50), np.uint8)
    path = write_labels(tmp_path / "a.zarr", labels, spacing=(9.0, 4.0, 4.0), spacing_known=True)
    assert describe(path).levels == ((7, 37, 50), (7, 19, 25), (4, 10, 13))
    for level, (z, y, x) in enumerate([(1, 1, 1), (1, 2, 2), (2, 4, 4)]):
        volume = open_labels(path, level=level)
        np.testing.assert_array_equal(volume.read_labels(), labels[::z, ::y, ::x])
        assert volume.spacing == pytest.approx((9 * z, 4 * y, 4 * x))


def test_channels_keep_their_axis(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_densify.io._pyramid._COARSEST", 16)
    stack = np.random.default_rng(0).integers(0, 255, (2, 3, 20, 30), np.uint8)
    path = write_volume(tmp_path / "a.zarr", stack)
    coarse = zarr.open_array(path / "1", mode="r")
    np.testing.assert_array_equal(coarse[:], stack[:, ::2, ::2, ::2])


def test_of_a_huge_result_only_what_was_written_is_read(tmp_path):
    shape, at = (2048, 16384, 16384), (1024, 8000, 8000)
    sink = create_sink(tmp_path / "huge.zarr", shape=shape, dtype=np.uint8)
    block = np.random.default_rng(0).integers(1, 9, (10, 100, 100), np.uint8)
    sink.write(tuple(slice(a, a + n) for a, n in zip(at, block.shape, strict=True)), block)
    sink.close()
    for level in range(1, 5):
        n = 2**level
        part = open_labels(tmp_path / "huge.zarr", level=level).data[
            tuple(slice(a // n, (a + b) // n) for a, b in zip(at, block.shape, strict=True))
        ]
        np.testing.assert_array_equal(part, block[::n, ::n, ::n][tuple(map(slice, part.shape))])


def test_coarser_levels_grow_with_the_result(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_densify.io._pyramid._COARSEST", 16)
    labels = np.random.default_rng(0).integers(1, 9, (7, 37, 50), np.uint8)
    sink = create_sink(tmp_path / "a.zarr", shape=labels.shape, dtype=np.uint8)
    expected = np.zeros_like(labels)
    for box in [
        (slice(0, 3), slice(5, 20), slice(7, 50)),
        (slice(3, 7), slice(0, 37), slice(0, 1)),
    ]:
        sink.write(box, labels[box])
        expected[box] = labels[box]
        for level, n in enumerate([1, 2, 4]):
            found = open_labels(tmp_path / "a.zarr", level=level).read_labels()
            np.testing.assert_array_equal(found, expected[::n, ::n, ::n])
    sink.done((0, 0, 0))
    sink.abort()
    again = create_sink(tmp_path / "a.zarr", shape=labels.shape, dtype=np.uint8, resume=True)
    again.write((slice(0, 1), slice(36, 37), slice(48, 49)), labels[:1, 36:37, 48:49])
    assert open_labels(tmp_path / "a.zarr", level=2).read_labels()[0, 9, 12] == labels[0, 36, 48]


def test_coarser_levels_are_never_missing(tmp_path, monkeypatch):
    """Killed while it is closed, a result opens at every level that it lists."""
    monkeypatch.setattr("napari_densify.io._pyramid._COARSEST", 16)
    labels = np.random.default_rng(0).integers(1, 9, (7, 37, 50), np.uint8)
    sink = create_sink(tmp_path / "a.zarr", shape=labels.shape, dtype=np.uint8)
    sink.write(tuple(slice(0, n) for n in labels.shape), labels)
    seen = []
    real = zarr.Array.__setitem__

    def looked_at(array, key, value):
        for level, n in enumerate([1, 2, 4]):
            found = open_labels(tmp_path / "a.zarr", level=level).read_labels()
            seen.append(np.array_equal(found, labels[::n, ::n, ::n]))
        real(array, key, value)

    monkeypatch.setattr(zarr.Array, "__setitem__", looked_at)
    sink.close()
    assert len(seen) >= 6
    assert all(seen)
