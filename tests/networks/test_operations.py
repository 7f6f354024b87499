from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.profiler import profile

from napari_densify.networks.operations import convolve, convolve_transposed


def single(channels: int) -> torch.Tensor:
    image = torch.randn(1, channels, 4, 20, 20, generator=torch.Generator().manual_seed(0))
    return image.to(memory_format=torch.channels_last_3d)


def kernel() -> torch.Tensor:
    return torch.randn(8, 8, 3, 3, 3, generator=torch.Generator().manual_seed(1))


def slow_kernels(work: object) -> list[str]:
    with profile() as found:
        work()
    return [row.key for row in found.key_averages() if "slow_conv" in row.key]


@pytest.mark.parametrize("train", [False, True])
def test_a_single_small_volume_is_not_left_to_the_slow_kernel(train: bool) -> None:
    image, weight, bias = single(8), kernel(), torch.ones(8)
    with torch.set_grad_enabled(train):
        ours = slow_kernels(lambda: convolve(image, weight, bias, padding=(1, 1, 1)))
        theirs = slow_kernels(lambda: F.conv3d(image, weight, bias, padding=1))
    assert not ours
    if torch.backends.mkldnn.is_available() and not theirs:
        pytest.fail("torch has mended this: the way round it can go")


@pytest.mark.parametrize("stride", [1, 2])
def test_the_way_round_gives_the_same_with_the_same_gradients(stride: int) -> None:
    found = []
    for run in (convolve, F.conv3d):
        image, weight, bias = single(8).requires_grad_(), kernel().requires_grad_(), torch.ones(8)
        more = {"stride": (stride,) * 3, "padding": (1, 1, 1)}
        out = run(image, weight, bias, **more)
        out.square().sum().backward()
        with torch.no_grad():
            found.append((out, run(image, weight, bias, **more), image.grad, weight.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_so_does_the_up_convolution() -> None:
    image, weight = single(8), kernel()
    ours = convolve_transposed(image, weight, None, (2, 2, 2))
    torch.testing.assert_close(
        ours, F.conv_transpose3d(image, weight, None, 2), rtol=1e-4, atol=1e-3
    )
