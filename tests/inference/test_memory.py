from __future__ import annotations

import numpy as np
import pytest

from napari_densify.core.fingerprint import checksum
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import NetworkConfig
from napari_densify.core.volume import Volume
from napari_densify.inference.memory import PaintMemory, Plane, fit_belief, recall

SPACING = (1.0, 1.0, 1.0)


def disc(centre: float, radius: float = 10) -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    return ((y - 32) ** 2 + (x - centre) ** 2 < radius**2).astype(np.int16)


def drifting(step: float) -> list[Plane]:
    return [Plane(z, disc(32 + step * z)) for z in (0, 4, 8, 12)]


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (64, 64)).astype(np.int16)


def test_structures_that_go_through_are_trusted() -> None:
    assert fit_belief(drifting(0.2), 2, SPACING).weight > 0.5


def test_slices_that_have_nothing_in_common_are_not() -> None:
    planes = [Plane(z, noise(z)) for z in (0, 4, 8)]
    assert fit_belief(planes, 2, SPACING).weight < 0.05


def test_between_planes_the_boundary_moves_with_the_slice() -> None:
    planes = drifting(1.0)
    memory = PaintMemory(planes, 2, SPACING, fit_belief(planes, 2, SPACING))
    prior = memory.log_prior((slice(0, 13), slice(0, 64), slice(0, 64)))
    assert prior.shape == (2, 13, 64, 64)
    predicted = prior.argmax(0)
    for z in range(13):
        wrong = (predicted[z] != disc(32 + z)).mean()
        assert wrong < 0.02, z


def test_a_region_is_cut_out_of_the_whole() -> None:
    planes = drifting(0.5)
    memory = PaintMemory(planes, 2, SPACING, fit_belief(planes, 2, SPACING))
    whole = memory.log_prior((slice(0, 8), slice(0, 64), slice(0, 64)))
    part = memory.log_prior((slice(2, 5), slice(10, 30), slice(5, 60)))
    np.testing.assert_array_equal(part, whole[:, 2:5, 10:30, 5:60])


def test_only_the_same_volume_is_recalled() -> None:
    planes = drifting(0.2)
    memory = PaintMemory(planes, 2, SPACING, fit_belief(planes, 2, SPACING))
    image = np.random.default_rng(0).integers(0, 255, (13, 64, 64)).astype(np.uint8)
    spec = ModelSpec(
        network=NetworkConfig(),
        classes=ClassTable.from_values([1, 2]),
        spacing=SPACING,
        remembers=(checksum(Volume(image)),),
    )
    again = recall(memory.tensors(0), spec, Volume(image))
    assert again is not None
    box = (slice(3, 5), slice(0, 64), slice(0, 64))
    np.testing.assert_allclose(again.log_prior(box), memory.log_prior(box), rtol=1e-5)
    assert recall(memory.tensors(0), spec, Volume(image[::-1])) is None


@pytest.mark.parametrize("absent", [0, 1])
def test_a_class_that_a_plane_lacks_fades_out(absent: int) -> None:
    planes = [Plane(0, disc(32)), Plane(10, np.full((64, 64), 1 - absent, np.int16))]
    memory = PaintMemory(planes, 2, SPACING, fit_belief(planes, 2, SPACING))
    prior = memory.log_prior((slice(0, 11), slice(0, 64), slice(0, 64)))
    assert np.isfinite(prior).all()
