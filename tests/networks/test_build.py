"""Networks against the papers' numbers and against torch itself."""

import pytest
import torch
from pydantic import ValidationError

from napari_densify.core.settings import NetworkConfig
from napari_densify.networks import build_network, count_parameters, output_shape
from napari_densify.networks.layers import Convolution, centre_crop

SMALL = {
    "encoder": ((4, 4), (8, 8), (16, 16)),
    "decoder": ((4, 4), (8, 8)),
    "kernels": ((3, 3, 3),) * 3,
    "pools": ((2, 2, 2),) * 2,
}
VARIANTS = {
    "plain": {},
    "residual-sum": {"residual": True, "skip": "sum"},
    "attention": {"attention": True, "up": "linear"},
    "transposed": {"up": "transposed", "norm": "batch", "activation": "prelu"},
    "resize-conv": {"up": "resize_conv", "up_kernel": (2, 2, 2), "up_activation": True},
    "average": {"down": "average", "activation": "leaky_relu", "norm": "instance"},
    "strided": {"down": "strided", "activation": "elu"},
    "dilated": {"down": "dilated", "dilations": (1, 2, 1), "activation": "silu"},
    "projected": {"up_channels": (4, 8), "norm": "none"},
    "anisotropic": {"kernels": ((1, 3, 3), (1, 3, 3), (3, 3, 3)), "pools": ((1, 2, 2),) * 2},
    "2.5D": {"slice_context": 1, "kernels": ((1, 3, 3),) * 3, "pools": ((1, 2, 2),) * 2},
    "fcn": {"architecture": "fcn"},
}


def small(**changes: object) -> NetworkConfig:
    return NetworkConfig.model_validate({**SMALL, "in_channels": 2, "out_channels": 3, **changes})


@pytest.mark.parametrize("shape", [(1, 9, 6), (3, 7, 12), (4, 8, 8)])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_takes_any_size_and_learns_with_every_weight(
    name: str, shape: tuple[int, int, int]
) -> None:
    torch.manual_seed(0)
    network = build_network(small(**VARIANTS[name]))
    logits = network(torch.randn(2, 2, *shape))
    assert logits.shape == (2, 3, *shape)
    assert logits.shape[2:] == output_shape(small(**VARIANTS[name]), shape)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_equal_finite_differences(name: str) -> None:
    torch.manual_seed(1)
    config = small(**{**VARIANTS[name], "activation": "elu"})
    network = build_network(config).double().eval()
    for module in network.modules():  # the float32 head would hide small differences
        if type(module).__name__ == "Head":
            module.forward = module.convolution.forward  # type: ignore[method-assign]
    x = torch.randn(1, 2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(network, (x,), eps=1e-6, atol=1e-4, fast_mode=True)


def test_deep_supervision_gives_one_output_a_level_in_training_only() -> None:
    network = build_network(small(deep_supervision=True))
    x = torch.randn(1, 2, 4, 8, 8)
    assert [tuple(o.shape[2:]) for o in network(x)] == [(4, 8, 8), (2, 4, 4)]
    assert network.eval()(x).shape == (1, 3, 4, 8, 8)


def test_valid_convolutions_see_exactly_what_the_padded_ones_see_inside() -> None:
    torch.manual_seed(0)
    # One pool only: further ones would stand at another phase of the padded grid.
    changes = {
        "norm": "none", "up": "transposed", "encoder": ((4, 4), (8, 8)), "decoder": ((4, 4),),
        "kernels": ((3, 3, 3),) * 2, "pools": ((2, 2, 2),),
    }  # fmt: skip
    valid, same = small(**changes, padding="valid"), small(**changes)
    network, padded = build_network(valid).eval(), build_network(same).eval()
    padded.load_state_dict(network.state_dict())
    x = torch.randn(1, 2, 20, 20, 20)
    out = network(x)
    assert out.shape[2:] == output_shape(valid, (20, 20, 20)) == (4, 4, 4)
    torch.testing.assert_close(out, centre_crop(padded(x), (4, 4, 4)), atol=1e-4, rtol=1e-4)


def test_a_multiple_of_the_pools_shifts_the_output_with_the_input() -> None:
    torch.manual_seed(0)
    network = build_network(small(norm="none")).eval()
    x = torch.randn(1, 2, 8, 8, 64)
    a, b = network(x[..., :60]), network(x[..., 4:])
    torch.testing.assert_close(a[..., 30:32], b[..., 26:28], atol=1e-4, rtol=1e-4)


def test_slice_context_is_neighbouring_slices_as_channels() -> None:
    torch.manual_seed(0)
    planar = {"kernels": ((1, 3, 3),) * 3, "pools": ((1, 2, 2),) * 2, "norm": "none"}
    network = build_network(small(**planar, slice_context=1)).eval()
    flat = build_network(small(**planar).model_copy(update={"in_channels": 6})).eval()
    flat.load_state_dict(network.state_dict())
    x = torch.randn(1, 2, 5, 8, 8)
    neighbours = torch.cat([x[:, :, i : i + 1] for i in (1, 2, 3)], 1)
    torch.testing.assert_close(network(x)[:, :, 2:3], flat(neighbours))


def test_head_is_float32_under_autocast_and_layout_changes_nothing() -> None:
    torch.manual_seed(0)
    network = build_network(small(encoder=((16, 16), (16, 16), (16, 16)))).eval()
    x = torch.randn(2, 2, 8, 48, 48)  # tiny inputs don't keep the layout
    expected = network(x)
    with torch.autocast("cpu", torch.bfloat16):
        half = network(x)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, expected, atol=0.2, rtol=0.2)
    network.to(memory_format=torch.channels_last_3d)
    kept: list[bool] = []
    for block in (*network.encoder.blocks, *network.decoder):
        block.register_forward_hook(
            lambda _m, _i, out: kept.append(out.is_contiguous(memory_format=torch.channels_last_3d))
        )
    last = network(x.to(memory_format=torch.channels_last_3d))
    assert kept == [True] * 5
    torch.testing.assert_close(last, expected, atol=1e-4, rtol=1e-4)


def test_batch_statistics_are_used_in_prediction_only_where_asked() -> None:
    x = torch.randn(1, 2, 4, 8, 8)
    for own in (True, False):
        torch.manual_seed(0)
        network = build_network(small(norm="batch", batch_statistics=own))
        network(x)
        trained = network(x)
        assert torch.equal(network.eval()(x), trained) == own


@pytest.mark.parametrize("own", [True, False])
def test_a_single_voxel_at_the_bottom_is_no_obstacle(own: bool) -> None:
    network = build_network(small(norm="batch", batch_statistics=own))
    assert network(torch.randn(1, 2, 4, 4, 4)).isfinite().all()
    assert network.eval()(torch.randn(1, 2, 4, 4, 4)).isfinite().all()


def test_dropout_acts_in_training_only_and_on_the_coarsest_levels() -> None:
    torch.manual_seed(0)
    network = build_network(small(dropout=0.5))
    x = torch.randn(1, 2, 4, 8, 8)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
    rates = [d.p for d in build_network(small(dropout=0.5, dropout_levels=2)).encoder.dropouts]
    assert rates == [0.0, 0.5, 0.5]


def test_even_kernels_keep_the_size() -> None:
    layer = Convolution((1, 1), (2, 2, 4))
    assert layer(torch.zeros(1, 1, 3, 5, 7)).shape == (1, 1, 3, 5, 7)


def test_parameters_of_normalisations_can_be_left_out() -> None:
    network = build_network(small(norm="batch"))
    plain = build_network(small(norm="none"))
    assert count_parameters(network, batch_norm=False) == count_parameters(plain)
    assert count_parameters(network) > count_parameters(plain)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernels": ((3, 3, 3),)}, "3 kernels"),
        ({"decoder": ((4, 4),)}, "2 decoder"),
        ({"up_channels": (4,)}, "2 up_channels"),
        ({"dilations": (1,)}, "3 dilations"),
        ({"encoder": ((4,), (), (8,))}, "1 to 8192"),
        ({"encoder": ((10**9,), (4,), (8,))}, "1 to 8192"),
        ({"pools": ((2, 2, 0), (2, 2, 2))}, "1 to 15"),
        ({"padding": "valid", "deep_supervision": True}, "valid convolutions"),
    ],
)
def test_impossible_configurations_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small(**changes)
