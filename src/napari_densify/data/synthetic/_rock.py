"""Sandstone in a micro-CT scanner: grains, cement, pores, a few heavy minerals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_densify.data.synthetic._imaging import add_noise, blur
from napari_densify.data.synthetic._space import Array, Space, fine_noise, make_cells, smooth_noise

__all__ = ["make_rock"]


def make_rock(space: Space) -> tuple[Array, NDArray[np.uint8]]:
    """Grains with pores between: 1 pore, 2 clay, 3 quartz, 4 heavy mineral."""
    random = space.random
    diameter = random.uniform(90_000, 250_000)
    points = space.warped((diameter, 0.15 * diameter), (0.3 * diameter, 0.03 * diameter))
    cells = make_cells(space, points, diameter=diameter, variety=0.5)
    opening = diameter * np.clip(
        random.uniform(0.03, 0.1) + 0.08 * smooth_noise(space, 0.8 * diameter), 0, 1
    )
    labels = np.where(cells.gap < opening, 1, 3).astype(np.uint8)
    clay = smooth_noise(space, 0.6 * diameter) > random.uniform(0.6, 1.2)
    labels[(cells.gap < 1.5 * opening + 0.02 * diameter) & clay] = 2
    heavy = random.random(cells.count) < 0.03
    specks = smooth_noise(space, 0.15 * diameter) > 3.0
    labels[((labels == 3) & heavy[cells.ids]) | ((labels != 1) & specks)] = 4
    return _scan(space, labels, cells.ids), labels


def _scan(space: Space, labels: NDArray[np.uint8], grains: NDArray[np.int32]) -> Array:
    random = space.random
    mineral = random.normal(0, 0.03, grains.max() + 1).astype(np.float32)
    levels = np.array([0, 0.08, random.uniform(0.25, 0.4), 0.55, 1.0], np.float32)
    levels += random.normal(0, 0.02, 5).astype(np.float32)
    values = levels[labels] + np.where(labels == 3, mineral[grains], 0)
    values += np.where(labels == 2, 0.06, 0.015) * fine_noise(space, 3 * space.spacing[-1])
    sigma = space.spacing[-1] * random.uniform(0.5, 1.2)
    values = blur(values.astype(np.float32), space, (sigma, sigma))
    values += random.uniform(0, 0.02) * _rings(space)
    return add_noise(values, random, grain=random.uniform(0.01, 0.05), counts=500)


def _rings(space: Space) -> Array:
    """Ring artefacts of the detector, about an axis along Z somewhere in or near the field."""
    y, x = (space.random.uniform(-0.5, 1.5) * n for n in space.shape[1:])
    rows, columns = np.indices(space.shape[1:])
    radius = np.hypot(rows - y, columns - x).astype(int)
    rings: Array = space.random.standard_normal(radius.max() + 1).astype(np.float32)[radius]
    return rings
