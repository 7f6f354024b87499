"""Valid networks behind the face of padded ones."""

import pytest
import torch

from napari_densify.core.settings import NetworkConfig
from napari_densify.networks import SameSize, build_network, valid_margin

VALID = NetworkConfig(
    encoder=((3, 3), (4, 4)), decoder=((3, 3),), kernels=((1, 3, 3), (3, 3, 3)),
    pools=((1, 2, 2),), padding="valid", norm="none", up="transposed",
)  # fmt: skip


@pytest.mark.parametrize("shape", [(7, 20, 20), (6, 19, 22)])
def test_logits_stand_where_their_voxels_are(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    network = build_network(VALID).eval()
    x = torch.randn(1, 1, *shape)
    mz, my, mx = valid_margin(VALID)
    out = SameSize(network, VALID)(x)
    assert isinstance(out, torch.Tensor)
    assert out.shape[2:] == shape
    direct = network(x[..., :20, :20][..., : shape[1] // 2 * 2, :])  # a legal part of it
    z, y, w = direct.shape[2:]
    torch.testing.assert_close(out[:, :, mz : mz + z, my : my + y, mx : mx + w], direct)
    assert float(out.detach()[..., :my, :].abs().max()) == 0


def test_padded_networks_are_passed_through() -> None:
    config = VALID.model_copy(update={"padding": "same"})
    network = build_network(config).eval()
    x = torch.randn(1, 1, 3, 9, 9)
    assert torch.equal(SameSize(network, config)(x), network(x))


def test_an_input_within_the_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="margin"):
        SameSize(build_network(VALID), VALID)(torch.zeros(1, 1, 7, 16, 20))
