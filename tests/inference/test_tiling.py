from __future__ import annotations

import pytest
import torch

from napari_densify.core.blocks import full_region
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import NetworkConfig, TrainSettings
from napari_densify.inference.folding import fold_norms
from napari_densify.inference.order import BlockQueue, Grid
from napari_densify.inference.tiling import block_size, is_slicewise, plan_tiling, predicted_bytes
from napari_densify.networks import build_network
from napari_densify.training.facts import Facts
from napari_densify.training.plan import resolve_plan
from napari_densify.training.spec import spec_from_plan

GIB = 2**30


def spec_of(**wishes: object) -> ModelSpec:
    plan = resolve_plan(TrainSettings(**wishes), Facts(shape=(512, 512, 512), classes=2))
    return spec_from_plan(
        plan, classes=ClassTable.default(), spacing=(1, 1, 1), spacing_known=False,
        image_channels=1,
    )  # fmt: skip


MODELS = {
    "auto": spec_of(),
    "deep": spec_of(patch=(16, 64, 64), features=False, working_factor=(1, 1, 1)),
    "paper-2d": spec_of(preset="paper-2d"),
}


@pytest.mark.parametrize("name", MODELS)
def test_memory_does_not_grow_with_the_volume(name: str) -> None:
    small, large = (predicted_bytes(MODELS[name], (edge,) * 3, 4 * GIB) for edge in (1024, 100_000))
    assert abs(small - large) < 0.25 * large  # whole slices
    assert large < 2.2 * GIB


@pytest.mark.parametrize("name", MODELS)
def test_a_small_device_gets_smaller_tiles(name: str) -> None:
    spec = MODELS[name]
    block = block_size((1024,) * 3, spec)
    tiles = [plan_tiling(spec, (1024,) * 3, block, n * GIB // 8) for n in (1, 2, 4, 8, 16)]
    sizes = [t.slab * t.tile[0] * t.tile[1] * t.tile[2] for t in tiles]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_a_kernel_across_slices_after_upsampling_counts_too() -> None:
    flat = MODELS["auto"]
    network = flat.network.model_copy(update={"up": "resize_conv", "up_kernel": (3, 3, 3)})
    assert is_slicewise(flat)
    assert not is_slicewise(flat.model_copy(update={"network": network}))


def test_every_block_once_whatever_is_looked_at() -> None:
    grid = Grid((40, 100, 90), (7, 16, 11), (slice(5, 33), slice(0, 100), slice(20, 90)))
    done = {(1, 2, 3), (3, 0, 4)}
    queue, seen = BlockQueue(grid, set(done)), []
    views = [None, (slice(30, 31), slice(80, 90), slice(70, 80)), full_region((6, 6, 30)), None]
    while block := queue.take(views[len(seen) // 3 % 4]):
        seen.append(block)
    assert len(seen) == len(grid) - len(done)
    assert {b.index for b in seen} | done == {b.index for b in grid}
    voxels = sum(
        (z.stop - z.start) * (y.stop - y.start) * (x.stop - x.start)
        for z, y, x in (b.write for b in grid)
    )
    assert voxels == 28 * 100 * 70
    inner = [b.write[0].start for b in grid if b.index[0] > grid.ranges[0].start]
    assert all(start % 7 == 0 for start in inner)  # on the grid of the whole volume


def test_nothing_is_listed_for_a_huge_volume() -> None:
    queue = BlockQueue(Grid((1_000_000,) * 3, (8, 1024, 1024)), set())
    view = (slice(500_000, 500_001),) * 3
    first = queue.take(view)
    assert first is not None
    assert first.write[0].start <= 500_000 < first.write[0].stop
    assert queue.take(None) is not None


@pytest.mark.parametrize("down", ["max", "strided"])
def test_folded_norms_give_the_same(down: str) -> None:
    torch.manual_seed(0)
    network = build_network(NetworkConfig(norm="batch", down=down, attention=True))
    network(torch.randn(2, 1, 8, 32, 32) * 3 + 1)  # statistics that are not 0 and 1
    network.eval()
    before = sum(isinstance(m, torch.nn.BatchNorm3d) for m in network.modules())
    image = torch.randn(1, 1, 8, 32, 32)
    with torch.inference_mode():
        folded = fold_norms(network)
        torch.testing.assert_close(folded(image), network(image), atol=1e-5, rtol=1e-5)
    left = sum(isinstance(m, torch.nn.BatchNorm3d) for m in folded.modules())
    assert (left, before > 10) == (0, True)
    assert sum(isinstance(m, torch.nn.BatchNorm3d) for m in network.modules()) == before


@pytest.mark.parametrize("kernels", [((1, 3, 3),) * 4, ((3, 3, 3),) * 4])
@pytest.mark.parametrize("low", [False, True])
def test_fused_activations_give_the_same(kernels: tuple, low: bool) -> None:
    torch.manual_seed(0)
    pools = tuple((k[0] - 1 or 1, 2, 2) for k in kernels[1:])
    config = NetworkConfig(norm="batch", kernels=kernels, pools=pools)
    network = build_network(config).eval()
    image = torch.randn(2, 1, 8, 32, 32)
    folded = fold_norms(network)
    left = sum(isinstance(m, torch.nn.ReLU) for m in folded.modules())
    assert left == 0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
        tolerance = 3e-2 if low else 1e-5
        torch.testing.assert_close(folded(image), network(image), atol=tolerance, rtol=tolerance)
