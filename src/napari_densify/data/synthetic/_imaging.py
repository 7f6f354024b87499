"""What an instrument does to a specimen: blur, noise, drift, and the marks it leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

from napari_densify.data.synthetic._space import Array, Space, smooth_noise

__all__ = ["add_noise", "blur", "charge", "curtain", "jitter_sections", "shade", "to_uint8"]


def blur(values: Array, space: Space, sigma: tuple[float, float]) -> Array:
    """Blur by sigma (along Z, in the plane), in nm."""
    along, across = sigma
    voxels = [s / n for s, n in zip((along, across, across), space.spacing, strict=True)]
    return np.asarray(gaussian_filter(values, voxels), dtype=np.float32)


def add_noise(values: Array, random: np.random.Generator, *, grain: float, counts: float) -> Array:
    """Add detector noise of that deviation, and shot noise of that many counts at 1."""
    shot = random.standard_normal(values.shape, np.float32)
    shot *= np.sqrt(np.maximum(values, 0.02) / counts)
    read = random.standard_normal(values.shape, np.float32)
    if random.random() < 0.5:  # scan lines and resampling correlate the noise of neighbours
        read = gaussian_filter(read, (0, 0.5, 0.5))
    return np.asarray(values + shot + grain / (read.std() + 1e-6) * read, dtype=np.float32)


def shade(values: Array, space: Space, strength: float) -> Array:
    """Uneven brightness over the field of view."""
    return values + strength * smooth_noise(space, float(space.size.max()) / 2)


def jitter_sections(values: Array, random: np.random.Generator, *, pixels: float) -> Array:
    """Give every section its own contrast, brightness, blur and slight misplacement."""
    out = np.empty_like(values)
    for z, plane in enumerate(values):
        gain, offset = random.normal(1, 0.08), random.normal(0, 0.03)
        moved = shift(plane, random.normal(0, pixels, 2), order=1, mode="nearest")
        if random.random() < 0.1:
            moved = gaussian_filter(moved, random.uniform(0.5, 1.2))
        out[z] = (moved - 0.5) * gain + 0.5 + offset
    return _mark_sections(out, random)


def _mark_sections(values: Array, random: np.random.Generator) -> Array:
    """Dirt on some sections, a fold or a washed-out one now and then."""
    for plane in values:
        if random.random() < 0.15:
            _add_blot(plane, random)
        if random.random() < 0.02:
            plane[:] = 0.6 * plane + 0.4 * plane.mean()
    return values


def _add_blot(plane: Array, random: np.random.Generator) -> None:
    rows, columns = np.indices(plane.shape)
    y, x = random.uniform(0, plane.shape)
    size = random.uniform(2, 8) * np.array([1, random.uniform(1, 6)])
    angle = random.uniform(0, np.pi)
    u = (rows - y) * np.cos(angle) + (columns - x) * np.sin(angle)
    v = (columns - x) * np.cos(angle) - (rows - y) * np.sin(angle)
    plane += random.choice([-0.5, 0.4]) * np.exp(-((u / size[0]) ** 2) - (v / size[1]) ** 2)


def charge(values: Array, random: np.random.Generator, strength: float) -> Array:
    """Bright and dark streaks along the scan lines, as from charging in SBEM."""
    lines = random.standard_normal(values.shape[:2]) * strength
    lines *= random.random(values.shape[:2]) < 0.3
    return np.asarray(values + lines[..., None], dtype=np.float32)


def curtain(values: Array, random: np.random.Generator, strength: float) -> Array:
    """Stripes down the milled face (along Y), the same over several slices of a FIB-SEM."""
    stripes = random.standard_normal((values.shape[0], 1, values.shape[2]))
    stripes = gaussian_filter(stripes, (3, 0, 0.7))
    stripes *= strength / (stripes.std() + 1e-6)
    return np.asarray(values + stripes, dtype=np.float32)


def to_uint8(values: Array, random: np.random.Generator) -> NDArray[np.uint8]:
    """Stretch to 8 bit as microscopists do: a little clipped, not quite the full range."""
    low, high = np.percentile(values, [random.uniform(0, 1), 100 - random.uniform(0, 1)])
    scaled = (values - low) / max(high - low, 1e-6)
    bottom, top = random.uniform(0, 40), random.uniform(190, 255)
    image: NDArray[np.uint8] = np.clip(bottom + scaled * (top - bottom), 0, 255).astype(np.uint8)
    return image
