"""Training and predicting on a disk that really is full: a small tmpfs (root on Linux only)."""

from __future__ import annotations

import contextlib
import os
import subprocess

import numpy as np
import pytest

from napari_densify.core import requests as ask
from napari_densify.core.control import JobControl
from napari_densify.core.events import Done, Failed
from napari_densify.core.settings import PredictSettings, TrainSettings
from napari_densify.engine.guard import guarded
from napari_densify.io import open_labels, write_volume
from napari_densify.networks import load_model
from napari_densify.project import Project

SHAPE = (4, 256, 256)
SMALL = TrainSettings(steps=1, base_channels=4, depth=2, patch=(4, 32, 32), batch=1, device="cpu")


@pytest.fixture
def project(tmp_path, rng):
    """A project on a disk of 4 MB, with a trained round; its image lies elsewhere."""
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root can mount")
    disk = tmp_path / "kleine Platte"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    image = rng.integers(0, 255, SHAPE).astype(np.uint8)
    write_volume(tmp_path / "image.tif", image, spacing=(10, 10, 10), spacing_known=True)
    made = Project.create(disk / "a.densify", shape=SHAPE, image=str(tmp_path / "image.tif"))
    painted = made.painted()
    painted[1, :128], painted[1, 128:] = 1, 2
    painted.close()
    made.close()
    yield made
    subprocess.run(["umount", "-l", str(disk)], check=True)


def end_of(request):
    """Last event of a job."""
    return [e for e in guarded(request, JobControl()) if isinstance(e, Done | Failed)][-1]


def train(project):
    made = project.new_round()
    where = str(project.path)
    return made, ask.TrainRequest(
        images=(where,), annotations=(where,), output=str(made.model), settings=SMALL
    )


def predict(project, **options):
    return ask.PredictRequest(
        images=(str(project.path),),
        model=str(project.rounds()[0].model),
        output=str(project.prediction_path(1)),
        probabilities=str(project.prediction_path(1, "probabilities")),
        settings=PredictSettings(device="cpu", **options),
    )


def fill(disk, leave=0):
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    os.truncate(ballast, max(0, ballast.stat().st_size - leave))


def assert_clear(event):
    assert isinstance(event, Failed), event
    assert not event.fault, event.traceback
    assert "\n" not in event.message
    assert any(word in event.message.lower() for word in ("space", "room", "free")), event.message


def test_a_disk_that_fills_costs_nothing_that_was_there_before(project):
    disk = project.path.parent
    _, request = train(project)
    assert isinstance(end_of(request), Done)
    made, request = train(project)
    fill(disk)
    assert_clear(end_of(request))
    assert [r.number for r in project.rounds()] == [1]
    load_model(str(project.rounds()[0].model))
    (disk / "ballast").unlink()
    assert isinstance(end_of(request), Done), "it goes on when there is room"
    load_model(str(made.model))

    fill(disk, leave=40_000)
    assert_clear(end_of(predict(project)))
    assert project.annotations().counts() == {1: 32768, 2: 32768}
    (disk / "ballast").unlink()
    assert isinstance(end_of(predict(project)), Done)
    before = open_labels(project.prediction_path(1)).read_labels()

    fill(disk, leave=40_000)
    assert_clear(end_of(predict(project)))
    (disk / "ballast").unlink()
    assert isinstance(end_of(predict(project, resume=True)), Done)
    after = open_labels(project.prediction_path(1)).read_labels()
    np.testing.assert_array_equal(after, before)
