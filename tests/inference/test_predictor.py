from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import FeatureConfig, NetworkConfig
from napari_densify.core.volume import Volume
from napari_densify.inference.inputs import input_channels
from napari_densify.inference.predictor import Predictor
from napari_densify.networks import build_network, receptive_radius

IMAGE = np.random.default_rng(0).integers(0, 255, (5, 72, 88)).astype(np.uint8)
CPU = torch.device("cpu")


def box(*bounds: int) -> Region:
    z0, z1, y0, y1, x0, x1 = bounds
    return slice(z0, z1), slice(y0, y1), slice(x0, x1)


WHOLE = box(0, 5, 0, 72, 0, 88)


def predictor(
    *, subvoxel: bool = True, neighbours: int = 1, mirrors: int = 1, image: np.ndarray = IMAGE
) -> Predictor:
    """Untrained network whose statistics are those of the image: every tile must agree."""
    torch.manual_seed(0)
    factor, features = (1, 2, 2), FeatureConfig(sigmas=(1.0,))
    network = NetworkConfig(
        in_channels=input_channels(1, factor, subvoxel, features, neighbours),
        out_channels=2 * (4 if subvoxel else 1),
        encoder=((8,), (8,)),
        decoder=((8,),),
        kernels=((1, 3, 3),) * 2,
        pools=((1, 2, 2),),
        norm="batch",
    )
    _, y, x = receptive_radius(network)
    spec = ModelSpec(
        network=network,
        classes=ClassTable.from_values([3, 7]),
        spacing=(1, 1, 1),
        working_factor=factor,
        subvoxel=subvoxel,
        neighbours=neighbours,
        features=features,
        feature_offset=(0.0,) * 4,
        feature_gain=(1.0,) * 4,
        # Whole pools, so that every tile has the same phase.
        context=(neighbours, -(-y // 2) * 2, -(-x // 2) * 2),
    )
    module = build_network(network).eval()
    return Predictor(module, spec, Volume(image), device=CPU, precision="float32", mirrors=mirrors)


@pytest.mark.parametrize("subvoxel", [True, False])
@pytest.mark.parametrize("neighbours", [0, 1])
def test_tiles_agree_with_the_whole(subvoxel: bool, neighbours: int) -> None:
    one = predictor(subvoxel=subvoxel, neighbours=neighbours)
    whole = one.predict_region(WHOLE)
    assert whole.shape == (2, 5, 72, 88)
    np.testing.assert_allclose(whole.sum(0), 1, atol=1e-5)
    for part in (box(1, 3, 24, 48, 32, 64), box(0, 5, 0, 24, 64, 88)):
        tile = one.predict_region(part)
        inside = whole[(slice(None), *part)]
        # The resampled network answers on cells: interpolation sees one more at a border.
        edge = 0 if subvoxel else 2
        cut = (slice(None), slice(None), slice(edge, -edge or None), slice(edge, -edge or None))
        np.testing.assert_allclose(tile[cut], inside[cut], atol=1e-5)


def test_a_turned_image_gives_a_turned_answer_when_all_turns_are_averaged() -> None:
    straight = predictor(mirrors=8)
    answer = straight.predict_region(WHOLE)
    turned = predictor(mirrors=8)
    turned.volume = Volume(np.ascontiguousarray(IMAGE[:, ::-1]))
    np.testing.assert_allclose(turned.predict_region(WHOLE), answer[:, :, ::-1], atol=1e-4)


def test_an_empty_tile_whose_answer_was_replaced_meanwhile_is_computed_again() -> None:
    blank = predictor(image=np.full_like(IMAGE, 7))
    first, second = box(2, 3, 24, 48, 32, 64), box(2, 4, 24, 48, 32, 64)
    expected = blank.compute(blank.prepare(first))
    waiting = blank.prepare(first)  # in another thread, while the next one is computed
    blank.compute(blank.prepare(second))
    np.testing.assert_array_equal(blank.compute(waiting), expected)


def test_other_channels_than_trained_on_are_refused() -> None:
    one = predictor()
    with pytest.raises(InputError, match="channel"):
        Predictor(
            torch.nn.Identity(), one.spec, Volume(np.zeros((2, 3, 8, 8), np.uint8)), device=CPU
        )
