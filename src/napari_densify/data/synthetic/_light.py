"""Tissue under the light microscope: nuclei, cells with stained walls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from napari_densify.data.synthetic._imaging import add_noise, blur
from napari_densify.data.synthetic._space import Array, Space, make_cells, smooth_noise

__all__ = ["make_nuclei", "make_walls"]

Labels = NDArray[np.uint8]


def make_nuclei(space: Space) -> tuple[Array, Labels]:
    """Fluorescent nuclei in a tissue: 1 background, 2 nucleus."""
    random = space.random
    diameter = random.uniform(4500, 7000)
    points = space.warped((2 * diameter, 0.15 * diameter))
    stretch = random.uniform(1, 1.6)
    cells = make_cells(space, points, diameter=diameter, stretch=stretch, variety=0.1)
    light = np.full(space.shape, random.uniform(0.02, 0.12), np.float32)
    light *= np.clip(1 + 0.5 * smooth_noise(space, diameter), 0.1, 3)
    labels: Labels = np.ones(space.shape, np.uint8)
    chromatin = 1 + random.uniform(0.1, 0.4) * smooth_noise(space, random.uniform(500, 1100))
    fill = random.uniform(0.65, 0.95)
    for cell in np.unique(cells.ids):
        if random.random() < 0.85:
            here = cells.ids == cell
            _add_nucleus(space, here, cells.gap, fill, light, labels, chromatin)
    return _micrograph(space, light), labels


def _add_nucleus(
    space: Space, here: NDArray[np.bool_], gap: Array, fill: float,
    light: Array, labels: Labels, chromatin: Array,
) -> None:  # fmt: skip
    """Put an ellipsoid in the middle of its cell, with or without a dark nucleolus."""
    random = space.random
    where = np.argwhere(here)
    deepest = where[gap[here].argmax()]
    radius = fill * float(gap[tuple(deepest)]) * random.uniform(0.85, 1.1)
    if radius < max(1000, 2 * max(space.spacing)):  # else a splinter of a cell
        return
    box = space.box(deepest, 1.5 * radius)
    away = [
        (np.arange(s.start, s.stop) - c) * d
        for s, c, d in zip(box, deepest, space.spacing, strict=True)
    ]
    grid = np.stack(np.meshgrid(*away, indexing="ij"), -1)
    turned = grid @ Rotation.random(random_state=random).as_matrix()
    reach = np.linalg.norm(turned / random.uniform(0.8, 1.15, 3), axis=-1) / radius
    inside = (reach < 1) & here[box] & (gap[box] > 0.3 * min(space.spacing))
    shine = random.lognormal(-0.2, 0.35) * chromatin[box]
    if random.random() < 0.6:
        shine *= 1 - 0.7 * np.exp(-((reach / random.uniform(0.25, 0.45)) ** 4))
    light[box][inside] = shine[inside]
    labels[box][inside] = 2


def make_walls(space: Space) -> tuple[Array, Labels]:
    """Cells with stained walls: 1 boundary, 2 interior."""
    random = space.random
    diameter = random.uniform(6000, 14000)
    points = space.warped((3 * diameter, 0.25 * diameter), (0.7 * diameter, 0.03 * diameter))
    stretch = random.uniform(1, 2.5)
    cells = make_cells(space, points, diameter=diameter, stretch=stretch, variety=0.3)
    thick = random.uniform(250, 450)
    faces = random.lognormal(0, 0.4, 4096).astype(np.float32)
    low, high = np.minimum(cells.ids, cells.others), np.maximum(cells.ids, cells.others)
    shine = faces[(low * 61 + high) % 4096] * np.exp(-((cells.gap / thick) ** 2))
    inside = random.uniform(0.02, 0.2, cells.count).astype(np.float32)[cells.ids]
    light = shine + inside * np.clip(1 + 0.4 * smooth_noise(space, 1500), 0.2, 2)
    labels = np.where(cells.gap < 1.6 * thick, 1, 2).astype(np.uint8)
    return _micrograph(space, light * np.exp(0.35 * smooth_noise(space, 2 * diameter))), labels


def _micrograph(space: Space, light: Array) -> Array:
    """Blur, haze, loss with depth and shot noise of a light microscope."""
    random = space.random
    across = random.uniform(90, 220)
    sharp = blur(light, space, (random.uniform(2, 4) * across, across))
    haze = blur(light, space, (2500.0, 2000.0))
    depth = np.linspace(0, random.uniform(0, 0.8), space.shape[0], dtype=np.float32)
    share = random.uniform(0.1, 0.5)
    mixed = ((1 - share) * sharp + share * haze) * np.exp(-depth)[:, None, None]
    counts = 10 ** random.uniform(0.8, 2.5)
    return add_noise(mixed, random, grain=random.uniform(0.005, 0.03), counts=counts)
