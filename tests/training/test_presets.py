"""Presets against the papers' numbers and against networks written out in plain torch."""

import itertools
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from napari_densify.core.errors import InputError
from napari_densify.core.recipes import PresetName
from napari_densify.core.settings import NetworkConfig
from napari_densify.networks import build_network, count_parameters, output_shape, valid_margin
from napari_densify.training.presets import PRESETS, find_preset


def network_of(name: str, channels: int, classes: int) -> NetworkConfig:
    sizes = {"in_channels": channels, "out_channels": classes}
    return find_preset(name).network.model_copy(update=sizes)


def parameters(config: NetworkConfig, *, batch_norm: bool = True) -> int:
    with torch.device("meta"):
        return count_parameters(build_network(config), batch_norm=batch_norm)


def conv(i: int, o: int, taps: int) -> int:
    return i * o * taps + o


def test_every_preset_can_be_chosen_by_name() -> None:
    assert get_args(PresetName) == ("auto", "fast", *PRESETS)


def test_paper_3d_has_the_papers_parameters_and_sizes() -> None:
    config = network_of("paper-3d", 3, 3)
    assert parameters(config, batch_norm=False) == 19_069_955
    assert output_shape(config, (116, 132, 132)) == (28, 44, 44)
    assert find_preset("paper-3d").patch == (116, 132, 132)
    assert valid_margin(config) == (44, 44, 44)


def test_paper_2d_maps_572_to_388() -> None:
    config = network_of("paper-2d", 1, 2)
    assert output_shape(config, (1, 572, 572)) == (1, 388, 388)
    # by hand: double convolutions down and up, 2x2 up-convolutions that halve the channels
    widths = [64, 128, 256, 512, 1024]
    down = sum(conv(i, o, 9) + conv(o, o, 9) for i, o in zip([1, *widths], widths, strict=False))
    up = sum(conv(2 * w, w, 4) + conv(2 * w, w, 9) + conv(w, w, 9) for w in widths[:-1])
    assert parameters(config) == down + up + conv(64, 2, 1) == 31_030_658


def test_neighbouring_slices_add_channels_to_the_first_convolution_only() -> None:
    flat, stacked = network_of("paper-2d", 1, 2), network_of("paper-2.5d", 1, 2)
    assert parameters(stacked) - parameters(flat) == 2 * 64 * 9


def test_membrane_network_has_the_parameters_of_the_original() -> None:
    assert parameters(network_of("membrane", 1, 1)) == 31_031_685


def test_retina_network_has_exactly_its_parameters() -> None:
    assert parameters(network_of("retina", 3, 2)) == 34_527_106


def test_attention_network_has_the_parameters_of_the_common_implementation() -> None:
    assert parameters(network_of("attention", 3, 1)) == 34_878_573


def test_polyp_and_sandstone_networks_by_hand() -> None:
    polyp = [(3, 16), (16, 16), (16, 32), (32, 32), (32, 48), (48, 48), (48, 64), (64, 64),
             (64, 64), (64, 64), (128, 64), (64, 64), (112, 48), (48, 48), (80, 32), (32, 32),
             (48, 16), (16, 16)]  # fmt: skip
    expected = sum(conv(i, o, 9) + 2 * o for i, o in polyp) + conv(16, 1, 1)
    assert parameters(network_of("polyp", 3, 1)) == expected
    widths = [64, 128, 256, 512, 1024]
    down = [(i, o) for a, o in zip([3, *widths], widths, strict=False) for i in (a, o)]
    up = [(i, w) for w in widths[:-1] for i in (2 * w, w)]
    expected = sum(conv(i, o, 27) + 2 * o for i, o in down + up)
    expected += sum(conv(2 * w, w, 8) for w in widths[:-1]) + conv(64, 4, 1)
    assert parameters(network_of("sandstone", 3, 4)) == expected


def test_fcn_has_the_convolutions_of_vgg16() -> None:
    config = network_of("fcn", 3, 2).model_copy(update={"norm": "none"})
    with torch.device("meta"):
        encoder = build_network(config).encoder
    vgg = sum(p.numel() for block in encoder.blocks[:-1] for p in block.parameters())
    assert vgg == 14_714_688


def test_vnet_keeps_its_input_through_every_stage() -> None:
    config = network_of("vnet", 1, 2)
    widths = [16, 32, 64, 128, 256]
    repeats = [1, 2, 3, 3, 3]
    stages = [
        (conv(i, w, 125) + (n - 1) * conv(w, w, 125)) + n * 3 * w
        for i, w, n in zip([1, *widths[1:]], widths, repeats, strict=True)
    ]
    shortcut = conv(1, 16, 1)  # one channel onto 16; the other stages add what they are given
    downs = [conv(i, o, 8) + 3 * o for i, o in itertools.pairwise(widths)]
    right = [
        n * (conv(w, w, 125) + 3 * w) for w, n in zip([32, 64, 128, 256], repeats, strict=False)
    ]
    ups = [conv(i, o, 8) + 3 * o for i, o in [(256, 128), (256, 64), (128, 32), (64, 16)]]
    expected = sum(stages) + shortcut + sum(downs) + sum(right) + sum(ups) + conv(32, 2, 1)
    assert parameters(config) == expected


class PlainUNet(nn.Module):
    """The retina network written out in 2D, independent of the builder."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()

        def double(i: int, o: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(),
                nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(),
            )  # fmt: skip

        def up(i: int, o: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Upsample(scale_factor=2), nn.Conv2d(i, o, 3, padding=1),
                nn.BatchNorm2d(o), nn.ReLU(),
            )  # fmt: skip

        pairs = list(itertools.pairwise(widths))
        self.down = nn.ModuleList([double(3, widths[0]), *(double(i, o) for i, o in pairs)])
        self.up = nn.ModuleList(up(o, i) for i, o in reversed(pairs))
        self.merge = nn.ModuleList(double(2 * i, i) for i, _ in reversed(pairs))
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.down[0](x)]
        for block in self.down[1:]:
            skips.append(block(nn.functional.max_pool2d(skips[-1], 2)))
        x = skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], 1))
        out: Tensor = self.head(x)
        return out


def test_retina_network_computes_what_the_plain_one_does() -> None:
    torch.manual_seed(0)
    widths = (4, 8, 16)
    plain = PlainUNet(list(widths)).eval()
    config = network_of("retina", 3, 2).model_copy(
        update={
            "encoder": tuple((w, w) for w in widths), "decoder": ((4, 4), (8, 8)),
            "kernels": ((1, 3, 3),) * 3, "pools": ((1, 2, 2),) * 2,
        }
    )  # fmt: skip
    network = build_network(config).eval()
    # the same order of layers: down, then per level up, merge; then the head
    theirs = [
        *plain.down.state_dict().values(),
        *(v for u, m in zip(plain.up, plain.merge, strict=True)
          for v in (*u.state_dict().values(), *m.state_dict().values())),
        *plain.head.state_dict().values(),
    ]  # fmt: skip
    ours = network.state_dict()
    assert len(theirs) == len(ours)
    filled = {k: v.reshape(ours[k].shape) for k, v in zip(ours, theirs, strict=True)}
    network.load_state_dict(filled)
    x = torch.randn(2, 3, 16, 24)
    torch.testing.assert_close(network(x[:, :, None])[:, :, 0], plain(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_fits_its_patch_and_says_where_it_is_from(name: str) -> None:
    preset = find_preset(name)
    assert min(output_shape(preset.network, preset.patch)) >= 1
    assert preset.title
    assert preset.source


def test_an_unknown_preset_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(InputError, match="paper-3d"):
        find_preset("paper-4d")
