"""What a slider asks of the second, torch-free worker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, LayerUpdated, Notice, Progress
from napari_densify.core.requests import ClassicalRequest
from napari_densify.engine import run_job
from napari_densify.io import open_labels, write_labels, write_volume


@pytest.fixture
def request_of(tmp_path, balls):
    volume, truth = balls
    write_volume(tmp_path / "image.tif", volume.data, spacing=volume.spacing, spacing_known=True)
    paint = np.zeros_like(truth)
    paint[[2, 5]] = truth[[2, 5]]
    write_labels(tmp_path / "paint.tif", paint)

    def build(method, **more):
        return ClassicalRequest(
            method=method,
            image=str(tmp_path / "image.tif"),
            annotations=str(tmp_path / "paint.tif"),
            output=str(tmp_path / "preview.zarr"),
            **more,
        )

    return build


def test_preview_is_the_slice_at_its_place(request_of, balls):
    _, truth = balls
    region = ((3, 4), (0, 48), (8, 40))
    events = list(run_job(request_of("threshold", region=region, generation=7), JobControl()))
    layer = next(e for e in events if isinstance(e, LayerUpdated))
    assert (layer.role, layer.generation, layer.region, layer.final) == ("preview", 7, region, True)
    labels = open_labels(layer.path).read_labels()
    assert (labels[3, :, 8:40] == truth[3, :, 8:40]).mean() > 0.95
    labels[3, :, 8:40] = 0
    assert not labels.any()


def test_preview_equals_the_whole_run(request_of):
    list(run_job(request_of("threshold"), JobControl()))
    whole = open_labels(request_of("threshold").output).read_labels()
    region = ((4, 5), (0, 48), (0, 48))
    list(run_job(request_of("threshold", region=region), JobControl()))
    part = open_labels(request_of("threshold").output).read_labels()
    np.testing.assert_array_equal(part[4], whole[4])


def test_preview_beyond_the_volume_is_clipped(request_of):
    region = ((7, 99), (-5, 60), (0, 48))
    done = list(run_job(request_of("watershed", region=region), JobControl()))[-1]
    assert isinstance(done, Done)
    labels = open_labels(done.result["output"]).read_labels()
    assert labels[7].all()
    assert not labels[:7].any()


def test_a_slider_gets_the_region_alone_in_a_small_file(request_of, balls, tmp_path):
    region = ((3, 4), (0, 48), (8, 40))
    request = request_of("threshold", region=region)
    request = request.model_copy(update={"output": str(tmp_path / "preview.npy")})
    layer = next(e for e in run_job(request, JobControl()) if isinstance(e, LayerUpdated))
    plane = np.load(layer.path)
    assert plane.shape == (1, 48, 32)
    assert (plane[0] == balls[1][3, :, 8:40]).mean() > 0.95


def test_iterative_methods_are_seen_on_the_way(request_of, monkeypatch):
    from napari_densify.classical import random_walker

    monkeypatch.setattr(random_walker, "_PREVIEW_VOXELS", 1000)
    region = ((3, 4), (0, 48), (0, 48))
    events = run_job(request_of("random_walker", region=region), JobControl())
    seen = [e.final for e in events if isinstance(e, LayerUpdated)]
    assert seen == [False, True]


def test_paint_that_is_held_out_is_not_learned_from(request_of):
    request = request_of("interpolation", held_out=(2, 5))
    with pytest.raises(InputError, match="paint"):
        list(run_job(request, JobControl()))


def test_tuning_comes_back_with_parameters_and_a_preview(request_of):
    region = ((3, 4), (0, 48), (0, 48))
    events = list(run_job(request_of("threshold", region=region, tune=True), JobControl()))
    assert {"algorithm", "sigma"} <= set(events[-1].result["parameters"])
    assert sum(isinstance(e, Progress) and e.unit == "trials" for e in events) > 1
    assert any(isinstance(e, LayerUpdated) and e.role == "preview" for e in events)


def test_stopping_leaves_no_half_labels(request_of, monkeypatch):
    from napari_densify.classical import run as running

    monkeypatch.setattr(running, "_block_shape", lambda method, shape: (1, 48, 48))
    request = request_of("threshold")
    control = JobControl()
    events = []
    for event in run_job(request, control):
        events.append(event)
        control.stop = True
    assert events[-1].stopped
    assert "output" not in events[-1].result
    assert not any(isinstance(e, LayerUpdated) for e in events)
    assert any(isinstance(e, Notice) and "nothing was written" in e.message for e in events)
    assert not Path(request.output).exists()
