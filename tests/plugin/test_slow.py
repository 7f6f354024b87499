from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication

from napari_densify.io import write_volume
from napari_densify.io._lazy import LazyArray

CHUNK_S = 0.2


@pytest.fixture
def settings():
    found = get_settings()
    yield found
    found.experimental.async_ = False


@pytest.fixture
def slow(tmp_path, rng, monkeypatch, settings):
    """A volume whose every piece of 64 voxels a side takes a while."""
    stack = rng.integers(10, 200, (6, 128, 256), np.uint8)
    path = write_volume(tmp_path / "far.zarr", stack, spacing=(8.0, 8.0, 8.0), spacing_known=True)
    read = LazyArray._read_span
    held_up = []

    def wait(self, channels, box):
        if threading.current_thread() is threading.main_thread():
            held_up.append(box)
        pieces = np.prod([-(-b.stop // 64) - b.start // 64 for b in box[1:]])
        time.sleep(CHUNK_S * float(pieces))
        return read(self, channels, box)

    monkeypatch.setattr(LazyArray, "_read_span", wait)
    return path, stack, held_up


def test_a_source_with_200_ms_a_chunk_does_not_hold_the_viewer_up(slow, dock, viewer, qtbot):
    path, stack, held_up = slow
    dock.step("Volume").open_path(str(path))
    (image,) = viewer.layers
    assert image.contrast_limits[0] >= 10
    bench = dock.bench
    bench.create_project(image, path.parent / "far.densify")
    qtbot.waitUntil(lambda: bench.session.project is not None, timeout=60000)
    layer = bench.canvas.paint_layer
    held_up.clear()
    longest = 0.0
    for z in (1, 4):
        begun = last = time.perf_counter()
        bench.canvas.go_to_slice(z)
        layer.paint((z, 40, 40), 2)
        while not image.loaded or last - begun < CHUNK_S:
            QApplication.processEvents()
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        assert last - begun > 8 * CHUNK_S  # the slice did take its time
        np.testing.assert_array_equal(image._slice.image.raw, stack[z])
        qtbot.waitUntil(lambda z=z: layer.loaded, timeout=20000)
        assert layer._slice.image.raw[40, 40] == 2
    assert bench.session.paint.slice_counts().keys() == {1, 4}
    assert held_up == []
    assert longest < 8 * CHUNK_S  # as long as a slice would block it


def test_a_quick_source_changes_no_setting(dock, viewer, tmp_path, rng, settings):
    path = write_volume(tmp_path / "near.zarr", rng.integers(0, 9, (6, 64, 64), np.uint8))
    dock.step("Volume").open_path(str(path))
    assert not settings.experimental.async_
