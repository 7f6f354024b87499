from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_densify.core.blocks import full_region
from napari_densify.core.control import JobControl
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import NetworkConfig, PredictSettings
from napari_densify.core.volume import Volume
from napari_densify.inference.ladder import Ladder
from napari_densify.inference.tiling import Tiling, block_size, chunk_size
from napari_densify.inference.volume import Outputs, predict_volume, resolve_mirrors
from napari_densify.inference.writing import Pieces
from napari_densify.io import create_sink, open_image, open_labels
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
    finished = 0
    for event in predict_volume(network(), SPEC, IMAGE, out, SETTINGS, control=control):
        finished = int(event.done)
        control.stop = finished >= 5
    assert 5 <= finished <= 6  # one that was computed already is written too
    for sink in out.sinks:
        sink.abort()  # a .zarr keeps its finished blocks
    assert (read(twice) == 0).any()
    out = outputs(twice, resume=True)
    again = SETTINGS.model_copy(update={"resume": True})
    events = list(predict_volume(network(), SPEC, IMAGE, out, again))
    finish(out)
    assert len(events) == 16 - finished
    for name in ("labels", "probabilities", "uncertainty"):
        first, second = (open_image(f / f"{name}.zarr").read() for f in (once, twice))
        np.testing.assert_array_equal(first, second)


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
    size = block_size(shape, SPEC.model_copy(update={"working_factor": (1, 2, 2)}))
    assert np.prod(size) <= 4 * 2_400_000
    assert all(s >= 1 for s in size)
    assert all(b % c == 0 for b, c in zip(size, chunk_size(size), strict=True))


class Counting(torch.nn.Module):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        CALLS.append(tuple(x.shape))
        return self.inner(x)


CALLS: list[tuple[int, ...]] = []


def test_empty_blocks_are_computed_once(tmp_path: Path) -> None:
    image = np.full((4, 40, 40), 7, np.uint8)
    image[0] = IMAGE.data[0]
    CALLS.clear()
    out = outputs(tmp_path)
    list(predict_volume(Counting(), SPEC, Volume(image), out, SETTINGS))
    finish(out)
    assert 4 < len(CALLS) < 4 + 12  # the next one may be on its way already
    assert len(np.unique(read(tmp_path)[1:])) == 1


class Tight(torch.nn.Module):
    """Network that runs out of memory with more than so much at once."""

    def __init__(self, slices: int, edge: int, error: type[Exception]) -> None:
        super().__init__()
        self.inner, self.limits, self.error = network(), (slices, edge), error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > self.limits[0] or max(x.shape[3:]) > self.limits[1]:
            raise self.error("CUDA out of memory. Tried to allocate 2 GiB")
        return self.inner(x)


WHOLE = PredictSettings(device="cpu", precision="float32")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_out_of_memory_takes_less_at_once_and_says_so(tmp_path: Path, error: type) -> None:
    plenty, tight = outputs(tmp_path / "plenty"), outputs(tmp_path / "tight")
    list(predict_volume(network(), SPEC, IMAGE, plenty, WHOLE))
    events = list(predict_volume(Tight(1, 24, error), SPEC, IMAGE, tight, WHOLE))
    said = [e.message for e in events if e.kind == "notice"]
    assert ["2 slice(s)" in said[0], "1 slice(s)" in said[1]] == [True, True]
    assert "4x20x20 voxels" in said[-1]
    finish(plenty)
    finish(tight)
    np.testing.assert_array_equal(read(tmp_path / "tight"), read(tmp_path / "plenty"))


def test_no_room_even_for_the_smallest_tile(tmp_path: Path) -> None:
    net = Tight(0, 0, torch.OutOfMemoryError)
    with pytest.raises(MemoryError, match="smallest tile"):
        list(predict_volume(net, SPEC, IMAGE, outputs(tmp_path), WHOLE))


def test_a_fault_of_ours_is_not_taken_for_a_lack_of_memory(tmp_path: Path) -> None:
    net = Tight(0, 0, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        list(predict_volume(net, SPEC, IMAGE, outputs(tmp_path), WHOLE))


def test_a_block_that_could_not_be_put_together_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Pieces, "add", full)
    out = outputs(tmp_path)
    with pytest.raises(MemoryError):
        list(predict_volume(network(), SPEC, IMAGE, out, SETTINGS))
    assert not out.is_done((0, 0, 0))


def test_after_the_smallest_tile_comes_the_cpu() -> None:
    ladder = Ladder(Tiling((1, 16, 16), 1), torch.device("meta"), (1, 1, 1))
    ladder.step_down(MemoryError())
    assert ladder.device.type == "cpu"
    assert ladder.tiling == Tiling((1, 16, 16), 1)
    assert "CPU" in ladder.notices[-1]
    with pytest.raises(MemoryError):
        ladder.step_down(MemoryError())


@pytest.mark.parametrize(
    ("members", "side", "mirrors"),
    [(1, 100, 8), (3, 100, 2), (1, 200, 4), (2, 200, 2), (3, 400, 1)],
)
def test_networks_that_answer_together_share_the_passes_that_a_size_leaves_time_for(
    members: int, side: int, mirrors: int
) -> None:
    network = CONFIG.model_copy(update={"members": members})
    spec = SPEC.model_copy(update={"network": network, "mirrors": 8})
    assert resolve_mirrors(spec, full_region((side, side, side))) == mirrors
