"""Low-precision training on CPUs: gradients close to float32, never uninitialised memory."""

import pytest
import torch

from napari_densify.core.settings import NetworkConfig, Triple
from napari_densify.networks import build_network
from napari_densify.networks.layers import Convolution
from napari_densify.networks.unet import UNet

CASES = {
    "cube": ((3, 3, 3), (4, 8, 8)),
    "flat": ((1, 3, 3), (3, 16, 16)),
    "flat on one slice": ((1, 3, 3), (1, 16, 16)),
    "wide": ((5, 5, 5), (4, 8, 8)),
    "even": ((2, 2, 2), (3, 7, 7)),
}


def fill_freed_memory_with_nan() -> None:
    for count in (100, 1_000, 5_000, 20_000, 100_000, 500_000):
        blocks = [torch.full((count,), torch.nan) for _ in range(6)]
        del blocks


def gradients(layer: torch.nn.Module, x: torch.Tensor, low: bool) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    layer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        out = layer(x)
    assert out.dtype == (torch.bfloat16 if low else torch.float32)
    fill_freed_memory_with_nan()
    torch.autograd.backward(out.float().square().mean())
    return [g for g in (x.grad, *(p.grad for p in layer.parameters())) if g is not None]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dilation", [1, 2])
def test_gradients_of_a_convolution_are_those_of_float32(name: str, dilation: int) -> None:
    torch.manual_seed(0)
    kernel, shape = CASES[name]
    layer = Convolution((16, 16), kernel, dilation=dilation)
    x = torch.randn(1, 16, *shape)
    exact, low = gradients(layer, x, low=False), gradients(layer, x, low=True)
    assert len(exact) == len(low) == 3
    for a, b in zip(exact, low, strict=True):
        assert float((a - b).norm() / a.norm()) < 0.02


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16)])
def test_a_slicewise_network_is_the_same_on_slices_and_on_volumes(shape: Triple) -> None:
    torch.manual_seed(0)
    config = NetworkConfig.model_validate(
        {"encoder": ((8, 8), (16, 16)), "decoder": ((8, 8),), "norm": "batch",
         "kernels": ((1, 3, 3),) * 2, "pools": ((1, 2, 2),), "in_channels": 2}
    )  # fmt: skip
    network = build_network(config)
    assert isinstance(network, UNet)
    x = torch.randn(2, 2, *shape)
    by_slice, whole = network(x), network._levels(network.encoder.context(x))
    assert by_slice.shape == whole.shape == (2, 2, *shape)
    assert torch.allclose(by_slice, whole, atol=1e-5)


@pytest.mark.parametrize("dilations", [None, (2, 2)])
@pytest.mark.parametrize("down", ["max", "strided"])
def test_a_slicewise_network_trains_in_bfloat16_like_in_float32(
    down: str, dilations: tuple[int, int] | None
) -> None:
    torch.manual_seed(0)
    config = NetworkConfig.model_validate(
        {"encoder": ((16, 16), (32, 32)), "decoder": ((16, 16),), "norm": "batch",
         "kernels": ((1, 3, 3),) * 2, "pools": ((1, 2, 2),), "in_channels": 5,
         "activation": "elu", "down": down, "dilations": dilations, "up": "transposed"}
    )  # fmt: skip
    network, x = build_network(config), torch.randn(2, 5, 1, 32, 32)
    found = []
    for low in (False, True):
        network.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            out = network(x)
        fill_freed_memory_with_nan()
        torch.autograd.backward(torch.nn.functional.cross_entropy(out, x[:, 0].gt(0).long()))
        found.append([p.grad for p in network.parameters() if p.dim() > 1])
    for a, b in zip(*found, strict=True):
        assert float((a - b).norm() / a.norm()) < 0.05


@pytest.mark.parametrize("up", ["nearest", "transposed", "resize_conv"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_a_network_trains_in_bfloat16_without_ever_reading_garbage(
    up: str, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    config = NetworkConfig.model_validate(
        {"encoder": ((8, 8), (16, 16), (32, 32)), "decoder": ((8, 8), (16, 16)),
         "kernels": ((3, 3, 3),) * 3, "pools": ((2, 2, 2),) * 2, "up": up, "down": "strided",
         "residual": True, "attention": True}
    )  # fmt: skip
    network = build_network(config)
    network.to(memory_format=layout)
    x = torch.randn(1, 1, 8, 24, 24).contiguous(memory_format=layout)
    for _ in range(8):
        fill_freed_memory_with_nan()
        with torch.autocast("cpu", torch.bfloat16):
            out = network(x)
        network.zero_grad(set_to_none=True)
        fill_freed_memory_with_nan()
        torch.autograd.backward(out.square().mean())
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
