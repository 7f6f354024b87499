"""Augmentation: repeatable, free when off, and never touching what is annotated as what."""

import pytest
import torch

from napari_densify.core.errors import InputError
from napari_densify.core.recipes import AugmentConfig
from napari_densify.training.augment import AUGMENTATIONS, augment_batch, resolve_augmentation

SPACING = (4.0, 1.0, 1.0)


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    image = torch.randn(2, 1, 4, 32, 32, generator=random).half()
    features = torch.randn(2, 3, 4, 16, 16, generator=random).half()
    labels = torch.randint(-1, 3, (2, 4, 32, 32), generator=random)
    return image, features, labels


def run(config: AugmentConfig, seed: int = 0) -> tuple[torch.Tensor, ...]:
    image, features, labels = batch()
    out = augment_batch(
        image, features, labels, config, spacing=SPACING,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    assert out[1] is not None
    return out[0], out[1], out[2]


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_is_repeatable_and_keeps_shapes(name: str) -> None:
    first, again = run(AUGMENTATIONS[name]), run(AUGMENTATIONS[name])
    for a, b, original in zip(first, again, batch(), strict=True):
        assert torch.equal(a, b)
        assert a.shape == original.shape
        assert a.dtype == original.dtype
        assert torch.isfinite(a).all()
    assert set(first[2].unique().tolist()) <= {-1, 0, 1, 2}
    if name not in ("none", "light"):
        assert not torch.equal(first[0], run(AUGMENTATIONS[name], seed=1)[0])


def test_nothing_is_copied_when_nothing_is_asked() -> None:
    image, features, labels = batch()
    out = augment_batch(
        image, features, labels, AUGMENTATIONS["light"], spacing=SPACING,
        generator=torch.Generator(),
    )  # fmt: skip
    assert out[0] is image
    assert out[1] is features
    assert out[2] is labels


@pytest.mark.parametrize(
    "change",
    [
        {"contrast": 0.3},
        {"brightness": 0.5},
        {"gamma": 0.4},
        {"noise": 0.3},
        {"blur": 1.5},
        {"missing_slices": 0.5},
        {"shifted_slices": 0.5},
    ],
)
def test_grey_value_changes_leave_labels_alone(change: dict[str, float]) -> None:
    image, _, labels = run(AugmentConfig(probability=1.0, **change))  # type: ignore[arg-type]
    assert torch.equal(labels, batch()[2])
    assert not torch.equal(image, batch()[0])


def test_contrast_scales_image_and_features_alike() -> None:
    image, features, _ = run(AugmentConfig(probability=1.0, contrast=0.5), seed=2)
    original = batch()
    a = image[0].float().std() / original[0][0].float().std()
    b = features[0].float().std() / original[1][0].float().std()
    torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    assert abs(float(a) - 1) > 0.01


def test_brightness_adds_a_constant_within_its_bound() -> None:
    image, _, _ = run(AugmentConfig(probability=1.0, brightness=0.5))
    difference = (image.float() - batch()[0].float()).flatten(1)
    assert float(difference.std(1).max()) < 0.01
    assert 0 < float(difference.mean(1).abs().max()) <= 0.5


def test_blur_keeps_the_mean_and_lowers_the_variance_in_xy_only() -> None:
    image = torch.zeros(1, 1, 3, 33, 33)
    image[0, 0, 1, 16, 16] = 1
    out, _, _ = augment_batch(
        image, None, torch.zeros(1, 3, 33, 33), AugmentConfig(probability=1.0, blur=2.0),
        spacing=SPACING, generator=torch.Generator().manual_seed(2),
    )  # fmt: skip
    assert float(out.sum()) == pytest.approx(1, abs=1e-4)
    assert float(out[0, 0, 1].max()) < 0.9
    assert float(out[0, 0, [0, 2]].abs().max()) == 0
    torch.testing.assert_close(out[0, 0, 1], out[0, 0, 1].T)


@pytest.mark.parametrize("margin", [0, 6])
def test_no_patch_loses_all_its_paint(margin: int) -> None:
    image, labels = torch.randn(2, 1, 1, 16, 16), torch.full((2, 1, 16, 16), -1)
    labels[0, 0, margin, margin] = 1  # in the corner: half of all shifts push it out
    labels[1] = 0  # a patch that always keeps some must not save the other
    config = AugmentConfig(probability=1.0, shift=0.5)
    random = torch.Generator().manual_seed(0)
    inner = slice(margin, 16 - margin)
    moves = 0
    for _ in range(20):
        _, _, moved = augment_batch(
            image, None, labels, config, spacing=SPACING, generator=random,
            margin=(0, margin, margin),
        )  # fmt: skip
        assert bool((moved[0, :, inner, inner] == 1).any())
        moves += not torch.equal(moved, labels)
    assert moves > 10


def test_an_unknown_augmentation_is_refused() -> None:
    with pytest.raises(InputError, match="unknown augmentation"):
        resolve_augmentation("heavy")


def test_slices_seen_as_channels_stay_in_place() -> None:
    ramp = torch.arange(5.0)[:, None, None].expand(5, 32, 32)
    labels = torch.zeros(3, 1, 32, 32, dtype=torch.long)
    config = AugmentConfig(probability=1.0, tilt=20, elastic_sd=3)
    image, _, _ = augment_batch(
        ramp.expand(3, 1, 5, 32, 32), None, labels, config, spacing=(1.0, 1.0, 1.0),
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert torch.allclose(image, ramp.expand_as(image), atol=1e-4)
