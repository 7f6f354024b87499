"""Batch statistics of averaged weights are those of the patches that they are measured on."""

from collections.abc import Iterator

import torch
from torch import nn

from napari_densify.training.statistics import BatchStatistics


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(2, 3, 1), nn.BatchNorm3d(3), nn.ReLU())


def patches() -> Iterator[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    while True:
        yield 5 + 2 * torch.randn(4, 2, 2, 8, 8, generator=generator)


def test_statistics_are_those_of_the_patches() -> None:
    source, net = patches(), network()
    BatchStatistics(lambda: next(source)).measure(net, None, quick=False)
    again = patches()
    seen = torch.cat([next(again) for _ in range(8)])
    expected = net[0](seen).mean((0, 2, 3, 4))
    torch.testing.assert_close(net[1].running_mean, expected, rtol=1e-3, atol=1e-3)
    out = net[1](net[0](seen))
    torch.testing.assert_close(out.mean((0, 2, 3, 4)), torch.zeros(3), atol=1e-2, rtol=0)
    torch.testing.assert_close(out.std((0, 2, 3, 4)), torch.ones(3), atol=2e-2, rtol=0)
    assert not net.training
    assert net[1].momentum == 0.1


def test_each_network_is_measured_on_the_same_patches() -> None:
    source, drawn = patches(), []

    def draw() -> torch.Tensor:
        drawn.append(next(source))
        return drawn[-1]

    statistics = BatchStatistics(draw)
    first, second = network(), network()
    statistics.measure(first, None, quick=True)
    assert len(drawn) == 4
    statistics.measure(second, None, quick=False)
    statistics.measure(first, None, quick=False)
    assert len(drawn) == 8
    torch.testing.assert_close(first[1].running_var, second[1].running_var)


def test_networks_that_keep_no_statistics_stay_as_they_are() -> None:
    net = nn.Sequential(nn.Conv3d(2, 3, 1), nn.GroupNorm(1, 3)).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}

    def draw() -> torch.Tensor:
        raise AssertionError("nothing has to be drawn")

    BatchStatistics(draw).measure(net, None, quick=False)
    assert not net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
