"""Sizes of valid networks, against the papers and against the networks themselves."""

import pytest
import torch

from napari_densify.core.errors import InputError
from napari_densify.core.settings import NetworkConfig
from napari_densify.networks import (
    build_network,
    input_shape_for,
    level_strides,
    output_shape,
    receptive_radius,
    valid_margin,
)

VALID = NetworkConfig(
    encoder=((2, 2), (2, 2), (2, 2)),
    decoder=((2, 2), (2, 2)),
    kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
    pools=((1, 2, 2), (2, 2, 2)),
    padding="valid",
    norm="none",
    up="transposed",
)


@pytest.mark.parametrize("output", [(1, 1, 1), (2, 7, 4), (5, 4, 9)])
def test_smallest_input_gives_what_was_asked_for(output: tuple[int, int, int]) -> None:
    shape = input_shape_for(VALID, output)
    predicted = output_shape(VALID, shape)
    assert build_network(VALID)(torch.zeros(1, 1, *shape)).shape[2:] == predicted
    assert all(p >= o for p, o in zip(predicted, output, strict=True))
    margin = valid_margin(VALID)
    assert tuple(n - 2 * m for n, m in zip(shape, margin, strict=True)) == predicted


def test_a_size_that_does_not_fit_is_refused_with_the_next_that_does() -> None:
    with pytest.raises(InputError, match=r"next larger size that fits is \(18, 44, 44\)"):
        output_shape(VALID, (15, 41, 42))
    assert output_shape(VALID, (18, 44, 44)) == (2, 4, 4)


def test_same_padding_keeps_every_size() -> None:
    config = NetworkConfig()
    assert output_shape(config, (1, 13, 7)) == (1, 13, 7)
    assert valid_margin(config) == (0, 0, 0)
    assert input_shape_for(config, (3, 4, 5)) == (3, 4, 5)


def test_strides_multiply_the_pools() -> None:
    assert level_strides(VALID) == ((1, 1, 1), (1, 2, 2), (2, 4, 4))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"slice_context": 1},
        {"up": "resize_conv"},
        {"up": "linear"},
        {"dilations": (1, 2, 1)},
        {"architecture": "fcn", "score_levels": 2},
    ],
)
def test_nothing_beyond_the_receptive_radius_matters(changes: dict[str, object]) -> None:
    torch.manual_seed(0)
    config = NetworkConfig.model_validate(
        {**VALID.model_dump(), "padding": "same", "up": "nearest", "down": "average",
         "activation": "elu", **changes}
    )  # fmt: skip
    radius = receptive_radius(config)
    network = build_network(config).eval()
    shape = [2 * r + 9 for r in radius]
    x = torch.randn(1, 1, *shape, requires_grad=True)
    centre = [n // 2 for n in shape]
    network(x)[(0, 0, *centre)].backward()
    assert x.grad is not None
    touched = (x.grad[0, 0] != 0).nonzero()
    for axis in range(3):
        reach = (touched[:, axis] - centre[axis]).abs().max()
        assert 0 < int(reach) <= radius[axis]
