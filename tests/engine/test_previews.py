"""What a slider asks of the second, torch-free worker."""

from __future__ import annotations

import numpy as np
import pytest

from napari_densify.core.control import JobControl
from napari_densify.core.events import Done, LayerUpdated
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
