from __future__ import annotations

import os

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.io._flat import FlatArray


@pytest.mark.parametrize("narrow", [False, True])
def test_any_box_of_any_shape(narrow, tmp_path, monkeypatch):
    if narrow:  # row by row, as in a window of a very wide plane
        monkeypatch.setattr("napari_densify.io._flat._WORTH_A_SEEK", 0)
    rng = np.random.default_rng(0)
    for shape in ((7, 9), (3, 7, 9), (2, 3, 7, 9)):
        array = rng.integers(0, 2**16, shape).astype(">u2")
        (tmp_path / "a").write_bytes(b"head" + array.tobytes())
        flat = FlatArray(tmp_path / "a", 4, shape, array.dtype)
        for _ in range(20):
            key = tuple(slice(*np.sort(rng.integers(0, n + 1, 2)).tolist()) for n in shape)
            np.testing.assert_array_equal(flat[key], array[key])


def test_a_window_of_a_huge_sparse_file_is_read_alone(tmp_path):
    """A terabyte of holes: only the rows asked for can have been touched."""
    shape = (1000, 2**15, 2**15)
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(int(np.prod(shape)))
        file.seek(((500 * 2**15) + 77) * 2**15 + 123)
        file.write(b"\x05")
    flat = FlatArray(path, 0, shape, np.uint8)
    window = flat[slice(500, 502), slice(70, 80), slice(100, 140)]
    assert window.shape == (2, 10, 40)
    assert np.flatnonzero(window).tolist() == [7 * 40 + 23]


def test_a_file_that_is_too_short(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 99)
    with pytest.raises(InputError, match="99 bytes, its header promises 100"):
        FlatArray(tmp_path / "a", 0, (10, 10), np.uint8)
    (tmp_path / "a").write_bytes(b"x" * 100)
    flat = FlatArray(tmp_path / "a", 0, (10, 10), np.uint8)
    os.truncate(tmp_path / "a", 50)
    with pytest.raises(InputError, match="ends too early"):
        flat[slice(0, 10), slice(0, 10)]
