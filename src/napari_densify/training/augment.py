"""Augmentation of a batch of patches, on the device that trains.

Flips and transposes are exact and free; the patch sampler does them. Here are the
changes that cost something: one resampling for all geometry, then grey values.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_densify.core.errors import InputError
from napari_densify.core.recipes import AugmentConfig
from napari_densify.training.warp import draw_warp, warp_image, warp_labels

__all__ = ["AUGMENTATIONS", "augment_batch", "changes_geometry", "resolve_augmentation"]

AUGMENTATIONS: dict[str, AugmentConfig] = {
    "none": AugmentConfig(flips=False, probability=0.0),
    "light": AugmentConfig(probability=0.0),
    "grey": AugmentConfig(probability=0.5, contrast=0.2, brightness=0.2, gamma=0.2, noise=0.1),
    "full": AugmentConfig(
        probability=0.5, rotation=180, tilt=10, scaling=0.2, shear=5, elastic_sd=3,
        contrast=0.25, brightness=0.25, gamma=0.3, noise=0.15, blur=0.8,
        missing_slices=0.02, shifted_slices=0.02,
    ),
    "paper-3d": AugmentConfig(
        probability=1.0, rotation=180, tilt=15, scaling=0.1, elastic_sd=4, elastic_grid=32,
        contrast=0.2, brightness=0.2, gamma=0.2,
    ),
    "paper-2d": AugmentConfig(
        planar=True, probability=1.0, rotation=180, shift=0.1, elastic_sd=10, elastic_points=3,
        contrast=0.2, brightness=0.2,
    ),
    "membrane": AugmentConfig(
        planar=True, probability=1.0, rotation=0.2, shift=0.05, shear=2.9, scaling=0.05,
        fill="nearest",
    ),
    "tumour": AugmentConfig(flips=False, planar=True, probability=1.0, rotation=10, shift=0.1),
}  # fmt: skip


def resolve_augmentation(name: str | AugmentConfig) -> AugmentConfig:
    """Turn the name of an augmentation into its settings.

    Raises
    ------
    InputError
        If there is no augmentation of that name.
    """
    if isinstance(name, AugmentConfig):
        return name
    if name not in AUGMENTATIONS:
        raise InputError(
            f"unknown augmentation {name!r}",
            where="augment",
            mend=f"one of: {', '.join(AUGMENTATIONS)}",
        )
    return AUGMENTATIONS[name]


def changes_geometry(config: AugmentConfig) -> bool:
    """Whether patches are resampled at all."""
    amounts = (
        config.rotation, config.tilt, config.scaling, config.shear, config.shift,
        config.elastic_sd,
    )  # fmt: skip
    return config.probability > 0 and any(amounts)


def augment_batch(
    image: Tensor,
    features: Tensor | None,
    labels: Tensor,
    config: AugmentConfig,
    *,
    spacing: Sequence[float],
    generator: torch.Generator,
    margin: Sequence[int] = (0, 0, 0),
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Change a batch at random; nothing is copied if ``config`` asks for nothing.

    Parameters
    ----------
    image
        ``(N, C, Z, Y, X)`` standardised intensities (mean 0, sd 1).
    features
        ``(N, F, z, y, x)`` on the working grid, or None; they follow the geometry
        and the contrast.
    labels
        ``(N, Z, Y, X)`` class indices, -1 where not annotated.
    spacing
        Voxel size (Z, Y, X) of the image in any unit.
    generator
        Source of all choices, on the CPU whatever the device is.
    margin
        Voxels (Z, Y, X) at the border where nothing is learned: a patch whose paint
        would all be carried into it, or out of the patch, keeps its geometry.

    Returns
    -------
    Image, features and labels, of the same shapes and dtypes.
    """
    if changes_geometry(config):
        if labels.shape[1] == 1:  # other slices are channels: nothing is carried across them
            config = config.model_copy(update={"planar": True})
        warp = draw_warp(len(image), image.shape[2:], config, spacing=spacing, generator=generator)
        moved = warp_labels(labels, warp, fill=config.fill)
        kept = _has_paint(moved, margin)
        labels = torch.where(kept[:, None, None, None], moved, labels)
        kept = kept[:, None, None, None, None]
        image = torch.where(kept, warp_image(image, warp, fill=config.fill), image)
        if features is not None:
            features = torch.where(kept, warp_image(features, warp, fill=config.fill), features)
    image, features = _change_grey_values(image, features, config, generator)
    image = _blur(image, config, generator)
    image = _add_noise(image, config, generator)
    return _damage_slices(image, config, generator), features, labels


def _has_paint(labels: Tensor, margin: Sequence[int]) -> Tensor:
    z, y, x = (slice(m, n - m) for m, n in zip(margin, labels.shape[1:], strict=True))
    return (labels[:, z, y, x] >= 0).flatten(1).any(1)


def _draw(image: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """One number in -1..1 a patch, 0 where its coin says no; ``(N, 1, 1, 1, 1)``."""
    amount = 2 * torch.rand(len(image), generator=generator) - 1
    coins = torch.rand(len(image), generator=generator) < config.probability
    return (amount * coins).reshape(-1, 1, 1, 1, 1).to(image.device)


def _change_grey_values(
    image: Tensor, features: Tensor | None, config: AugmentConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    dtype = image.dtype
    if config.gamma:
        exponent = (1 + config.gamma) ** _draw(image, config, generator)
        work = image.float()
        low, high = work.amin((1, 2, 3, 4), True), work.amax((1, 2, 3, 4), True)
        span = (high - low).clamp(min=1e-6)
        image = (((work - low) / span) ** exponent * span + low).to(dtype)
    if config.contrast:
        factor = 1 + config.contrast * _draw(image, config, generator)
        image = (image * factor).to(dtype)
        if features is not None:
            features = (features * factor).to(features.dtype)
    if config.brightness:
        image = (image + config.brightness * _draw(image, config, generator)).to(dtype)
    return image, features


def _blur(image: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    if not config.blur:
        return image
    sigmas = _draw(image, config, generator).abs().flatten() * config.blur
    radius = max(1, round(3 * config.blur))
    offsets = torch.arange(-radius, radius + 1, device=image.device)
    kernels = torch.exp(-(offsets**2) / (2 * sigmas[:, None].clamp(min=1e-3) ** 2))
    kernels = kernels / kernels.sum(1, keepdim=True)  # (N, taps)
    n, c, z, y, x = image.shape
    if radius >= min(y, x):
        return image
    flat = image.float().transpose(0, 1).reshape(1, c * n, z, y, x)
    weight = kernels.repeat(c, 1)[:, None, None, None]  # (c n, 1, 1, 1, taps)
    for axes, w in (((radius, radius, 0, 0), weight), ((0, 0, radius, radius), weight.mT)):
        padded = F.pad(flat, (*axes, 0, 0), mode="reflect")
        flat = F.conv3d(padded, w, groups=c * n)
    return flat.reshape(c, n, z, y, x).transpose(0, 1).to(image.dtype)


def _add_noise(image: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    if not config.noise:
        return image
    deviation = _draw(image, config, generator).abs() * config.noise
    seed = int(torch.randint(2**31, (1,), generator=generator))
    local = torch.Generator(image.device).manual_seed(seed)
    noise = torch.randn(image.shape, generator=local, device=image.device)
    return (image + deviation * noise).to(image.dtype)


def _damage_slices(image: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Blank some slices and displace others, labels untouched: the network learns to bridge."""
    n, _, z = image.shape[:3]
    if z == 1 or not (config.missing_slices or config.shifted_slices):
        return image
    chance = torch.rand(2, n, z, generator=generator)
    steps = (2 * torch.rand(n, z, 2, generator=generator) - 1) * config.slice_shift
    image = image.clone()
    for i, k in (chance[0] < config.missing_slices).nonzero().tolist():
        image[i, :, k] = 0
    for i, k in (chance[1] < config.shifted_slices).nonzero().tolist():
        dy, dx = (round(s) for s in steps[i, k].tolist())
        image[i, :, k] = image[i, :, k].roll((dy, dx), (-2, -1))
    return image
