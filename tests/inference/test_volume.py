from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_densify.core.control import JobControl
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import NetworkConfig, PredictSettings
from napari_densify.core.volume import Volume
from napari_densify.inference.volume import Outputs, block_size, predict_volume
from napari_densify.io import create_sink, open_labels
from napari_densify.networks import build_network

CONFIG = NetworkConfig(
    encoder=((4,),), decoder=(), kernels=((1, 3, 3),), pools=(), norm="none", out_channels=2
)
SPEC = ModelSpec(
    network=CONFIG, classes=ClassTable.from_values([2, 5]), spacing=(1, 1, 1), context=(0, 2, 2)
)
IMAGE = Volume(np.random.default_rng(0).integers(0, 255, (4, 40, 40)).astype(np.uint8))
SETTINGS = PredictSettings(block=(1, 20, 20), device="cpu", precision="float32")


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(CONFIG).eval()


def outputs(folder: Path, *, resume: bool = False) -> Outputs:
    folder.mkdir(exist_ok=True)

    def sink(name: str, channels: tuple[int, ...] = ()):
        return create_sink(
            folder / f"{name}.zarr", shape=(*channels, *IMAGE.shape), dtype=np.uint8,
            chunks=(1, 20, 20), resume=resume,
        )  # fmt: skip

    return Outputs(sink("labels"), sink("probabilities", (2,)), sink("uncertainty"))


def finish(out: Outputs) -> None:
    for sink in out.sinks:
        sink.close()


def read(folder: Path) -> np.ndarray:
    return open_labels(folder / "labels.zarr").read_labels()


def test_labels_are_class_codes_and_progress_reaches_the_end(tmp_path: Path) -> None:
    out = outputs(tmp_path)
    events = list(predict_volume(network(), SPEC, IMAGE, out, SETTINGS))
    finish(out)
    assert events[-1].kind == "progress"
    assert events[-1].done == events[-1].total == 16
    assert set(np.unique(read(tmp_path))) <= {2, 5}


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    out = outputs(once)
    list(predict_volume(network(), SPEC, IMAGE, out, SETTINGS))
    finish(out)

    control, out = JobControl(), outputs(twice)
    for event in predict_volume(network(), SPEC, IMAGE, out, SETTINGS, control=control):
        control.stop = event.kind == "progress" and event.done >= 5
    for sink in out.sinks:
        sink.abort()  # a .zarr keeps its finished blocks
    assert (read(twice) == 0).any()
    out = outputs(twice, resume=True)
    again = SETTINGS.model_copy(update={"resume": True})
    events = list(predict_volume(network(), SPEC, IMAGE, out, again))
    finish(out)
    assert len(events) == 16 - 5
    np.testing.assert_array_equal(read(twice), read(once))


def test_blocks_near_the_view_come_first(tmp_path: Path) -> None:
    out = outputs(tmp_path)
    view = (slice(3, 4), slice(20, 40), slice(20, 40))
    job = predict_volume(network(), SPEC, IMAGE, out, SETTINGS, control=JobControl(view=view))
    next(job)
    labels = read(tmp_path)
    assert (labels[view] > 0).all()
    assert (labels[:3] == 0).all()
    job.close()


def test_only_the_region_is_written(tmp_path: Path) -> None:
    out = outputs(tmp_path)
    settings = SETTINGS.model_copy(update={"region": "1:2,0:20,10:30"})
    list(predict_volume(network(), SPEC, IMAGE, out, settings))
    finish(out)
    labels = read(tmp_path)
    assert (labels[1, :20, 10:30] > 0).all()
    assert np.count_nonzero(labels) == 400


@pytest.mark.parametrize("shape", [(9, 512, 512), (4096, 4096, 4096), (1, 30, 30), (250, 250, 250)])
def test_blocks_stay_small_whatever_the_volume(shape: tuple[int, int, int]) -> None:
    size = block_size(shape, (1, 2, 2))
    assert np.prod(size) <= 4 * 1_500_000
    assert all(s >= 1 for s in size)
