"""A project on a disk that really is full: a small tmpfs (root on Linux only)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.project import Project

SHAPE = (20, 256, 256)


@pytest.fixture
def small_disk(tmp_path):
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root can mount")
    disk = tmp_path / "kleine Platte"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk):
    with contextlib.suppress(OSError), (disk / "ballast").open("ab", buffering=0) as stream:
        while True:
            stream.write(bytes(1024))


def test_strokes_survive_a_disk_that_fills_up_and_is_freed(small_disk, rng, monkeypatch):
    monkeypatch.setattr("napari_densify.annotations.background._RETRY_S", 0.05)
    told, recovered = threading.Event(), threading.Event()
    project = Project.create(small_disk / "a.densify", shape=SHAPE)
    painted = project.painted(on_error=lambda e: told.set(), on_recovered=recovered.set)
    painted[0, :10, :10] = 1
    painted.flush()
    fill(small_disk)
    noise = rng.integers(0, 3, SHAPE[1:]).astype(np.uint8)
    painted[1] = noise
    assert told.wait(20)
    fill(small_disk)  # giving up has freed the journal
    with pytest.raises(InputError, match="No space left on device"):
        project.set_held_out([1])
    again = Project.open(project.path, read_only=True)
    assert again.held_out == ()
    assert again.annotations().counts() == {1: 100}
    np.testing.assert_array_equal(painted[1], noise)
    (small_disk / "ballast").unlink()
    assert recovered.wait(20)
    project.set_held_out([1])
    painted.close()
    project.close()
    reopened = Project.open(project.path, read_only=True)
    assert reopened.held_out == (1,)
    np.testing.assert_array_equal(reopened.annotations().read(
        (slice(1, 2), slice(0, 256), slice(0, 256)))[0], noise)  # fmt: skip


def test_a_copy_that_does_not_fit_is_refused_and_leaves_nothing(small_disk, rng):
    project = Project.create(small_disk / "a.densify", shape=SHAPE)
    with pytest.raises(InputError, match=r"[Nn]o space|free"):
        project.import_array(rng.integers(0, 255, SHAPE).astype(np.uint8))
    assert not (project.path / "image.zarr").exists()
    painted = project.painted()
    painted[0, 0, 0] = 1
    painted.close()
    assert project.annotations().counts() == {1: 1}
    project.close()
