"""Geometry of patches: exact where it can be, physical where voxels are not cubic."""

import math

import pytest
import torch

from napari_densify.core.recipes import AugmentConfig
from napari_densify.training.warp import Warp, draw_warp, warp_image, warp_labels


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rotation(angle: float, a: int, b: int) -> torch.Tensor:
    matrix = torch.eye(3)[None].clone()
    matrix[0, a, a] = matrix[0, b, b] = math.cos(angle)
    matrix[0, a, b], matrix[0, b, a] = -math.sin(angle), math.sin(angle)
    return matrix


def test_nothing_asked_is_the_identity() -> None:
    config = AugmentConfig(probability=1.0)
    warp = draw_warp(2, (4, 6, 8), config, spacing=(3, 1, 1), generator=generator())
    image = torch.randn(2, 2, 4, 6, 8)
    torch.testing.assert_close(warp_image(image, warp), image, atol=1e-4, rtol=1e-4)
    labels = torch.randint(-1, 5, (2, 4, 6, 8))
    assert torch.equal(warp_labels(labels, warp), labels)


def test_a_quarter_turn_is_rot90_for_image_and_labels() -> None:
    warp = Warp((3.0, 6.0, 6.0), rotation(math.pi / 2, 1, 2), torch.zeros(1, 3))
    image = torch.randn(1, 1, 3, 6, 6)
    labels = torch.randint(-1, 4, (1, 3, 6, 6))
    turned = warp_labels(labels, warp)
    k = next(k for k in (1, 3) if torch.equal(turned, labels.rot90(k, (2, 3))))
    torch.testing.assert_close(warp_image(image, warp), image.rot90(k, (3, 4)))


def test_labels_keep_their_values_and_are_unlabelled_beyond_the_patch() -> None:
    labels = torch.full((1, 4, 16, 16), 3)
    labels[:, :, 4:8] = -1
    warp = Warp((4.0, 16.0, 16.0), rotation(0.5, 1, 2), torch.zeros(1, 3))
    inside = warp_labels(labels, warp)
    assert set(inside.unique().tolist()) == {-1, 3}
    assert inside[0, 0, 0, 0] == -1  # from beyond the corner
    carried = warp_labels(torch.full_like(labels, 3), warp, fill="nearest")
    assert set(carried.unique().tolist()) == {3}


def test_image_and_labels_move_together() -> None:
    config = AugmentConfig(probability=1, rotation=30, scaling=0.2, shift=0.1, elastic_sd=2)
    labels = torch.zeros(1, 8, 32, 32, dtype=torch.long)
    labels[:, 2:6, 8:20, 12:24] = 1
    warp = draw_warp(1, (8, 32, 32), config, spacing=(2, 1, 1), generator=generator(3))
    moved = warp_labels(labels, warp)
    image = warp_image(labels[:, None].float(), warp)[:, 0]
    sure = (image < 0.2) | (image > 0.8)
    painted = moved >= 0
    assert not torch.equal(moved, labels)
    assert torch.equal((image > 0.5)[sure & painted], (moved == 1)[sure & painted])


def test_a_coarser_grid_follows_the_same_warp() -> None:
    config = AugmentConfig(probability=1, rotation=20, elastic_sd=2, elastic_grid=16)
    warp = draw_warp(1, (8, 32, 32), config, spacing=(1, 1, 1), generator=generator(5))
    axis = torch.linspace(-1, 1, 34)[1:-1]
    fine = (axis[:, None] + 2 * axis[None]).expand(1, 1, 8, 32, 32)
    coarse = torch.nn.functional.avg_pool3d(fine, 2)
    a = torch.nn.functional.avg_pool3d(warp_image(fine, warp), 2)
    b = warp_image(coarse, warp)
    inner = (slice(None), slice(None), slice(1, 3), slice(5, 11), slice(5, 11))
    torch.testing.assert_close(a[inner], b[inner], atol=0.03, rtol=0)


def test_a_tilt_is_a_rotation_in_nanometres() -> None:
    config = AugmentConfig(probability=1, tilt=40)
    spacing = (5.0, 1.0, 1.0)
    warp = draw_warp(1, (6, 30, 30), config, spacing=spacing, generator=generator(1))
    points = warp.positions((6, 30, 30))[0]
    there = (points[3, 10, 10] - points[1, 20, 25]).norm()
    straight = torch.tensor([2 * 5.0, -10.0, -15.0]).norm()
    torch.testing.assert_close(there, straight)
    assert not torch.allclose(points[0, 0, 0, 0], points[0, 29, 29, 0])  # it did tilt


def test_elastic_displacement_has_the_stated_grid_and_deviation() -> None:
    config = AugmentConfig(probability=1, elastic_sd=4, elastic_grid=32)
    warp = draw_warp(200, (64, 64, 64), config, spacing=(1, 1, 1), generator=generator())
    assert warp.vectors is not None
    assert warp.vectors.shape == (200, 3, 3, 3, 3)
    assert warp.spacing == (32, 32, 32)
    assert float(warp.vectors.std()) == pytest.approx(4, rel=0.03)
    axis = torch.tensor([-32.0, 0.0, 32.0])
    field = warp._displacement([axis, axis, axis])  # at the grid points themselves
    torch.testing.assert_close(field, warp.vectors, atol=1e-4, rtol=1e-4)


def test_elastic_grid_can_be_given_in_points_as_in_the_2d_paper() -> None:
    config = AugmentConfig(probability=1, elastic_sd=10, elastic_points=3)
    warp = draw_warp(4, (1, 388, 388), config, spacing=(1, 1, 1), generator=generator())
    assert warp.vectors is not None
    assert warp.vectors.shape[2:] == (1, 3, 3)
    assert warp.spacing[1:] == (194, 194)


def test_single_slices_stay_in_their_plane() -> None:
    config = AugmentConfig(
        probability=1, rotation=90, tilt=45, scaling=0.3, shear=10, shift=0.2, elastic_sd=3
    )
    warp = draw_warp(3, (1, 20, 20), config, spacing=(9, 1, 1), generator=generator())
    assert float(warp.positions((1, 20, 20))[..., 0].abs().max()) < 1e-5


def test_probability_zero_moves_nothing() -> None:
    config = AugmentConfig(probability=0.0, rotation=90, shift=0.3, elastic_sd=5)
    warp = draw_warp(3, (4, 8, 8), config, spacing=(1, 1, 1), generator=generator())
    labels = torch.randint(-1, 3, (3, 4, 8, 8))
    assert torch.equal(warp_labels(labels, warp), labels)


def test_a_warp_works_on_another_device_than_the_one_it_was_drawn_on() -> None:
    config = AugmentConfig(probability=1, rotation=30, scaling=0.2, elastic_sd=2)
    warp = draw_warp(2, (4, 16, 16), config, spacing=(2, 1, 1), generator=generator())
    other = torch.device("meta")  # holds no values, but refuses to be mixed
    assert warp_image(torch.zeros(2, 1, 4, 16, 16, device=other), warp).device == other
    assert warp_labels(torch.zeros(2, 4, 16, 16, dtype=torch.long, device=other), warp).shape == (
        2, 4, 16, 16,
    )  # fmt: skip
