"""Features from matrix products against filters that walk along lines."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_densify.classical.features import compute_features, each_plane
from napari_densify.core.settings import FeatureConfig

SHAPES = [(1, 1, 1), (1, 1, 9), (2, 3, 5), (1, 17, 40), (1, 45, 70), (2, 160, 97)]
CONFIGS = [
    FeatureConfig(),
    FeatureConfig(sigmas=(1.0, 7.0, 28.0), kinds=("hessian", "intensity")),
    FeatureConfig(depth=2),
    FeatureConfig(depth=2, anisotropy=2.24),
    FeatureConfig(depth=1, sigmas=(1.0, 7.0), kinds=("edges",)),
]


def reference(image: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """The definition, line by line: ``(F, Z, Y, X)``."""
    planes = [[] for _ in image]
    for sigma in config.sigmas:
        stacks = across(image.astype(np.float64), config.slice_sigma(sigma))
        for z, rows in enumerate(planes):
            grids, step = [stack[z] for stack in stacks], 1
            while sigma / step >= 6 and min(grids[0].shape) >= 16:
                grids, step = [halve(grid) for grid in grids], 2 * step
            found = responses(grids, sigma / step, config)
            rows += [enlarge(r, image.shape[1:], step) for r in found]
    return np.stack([np.stack(rows) for rows in planes], 1)


def across(image: np.ndarray, sigma: float) -> list[np.ndarray]:
    if not sigma:
        return [image]
    smooth = ndimage.gaussian_filter1d(image, sigma, 0, mode="mirror", truncate=3.0)
    first = ndimage.correlate1d(smooth, [-0.5, 0, 0.5], 0, mode="mirror")
    second = ndimage.correlate1d(smooth, [1.0, -2, 1], 0, mode="mirror")
    return [smooth, sigma * first, sigma**2 * second]


def halve(grid: np.ndarray) -> np.ndarray:
    y, x = grid.shape
    grid = np.pad(grid, ((0, y % 2), (0, x % 2)), mode="edge")
    return grid.reshape(len(grid) // 2, 2, -1, 2).mean((1, 3))


def responses(grids: list[np.ndarray], sigma: float, config: FeatureConfig) -> list[np.ndarray]:
    smooth, *deep = [
        ndimage.gaussian_filter(grid, sigma, mode="reflect", truncate=3.0) for grid in grids
    ]
    gy, gx = difference(smooth, 0), difference(smooth, 1)
    yy, xx, xy = difference(gy, 0), difference(gx, 1), difference(gy, 1)
    kinds = {
        "intensity": [smooth],
        "edges": [np.sqrt(sigma**2 * (gy**2 + gx**2) + sum(d**2 for d in deep[:1]))],
        "hessian": eigenvalues(sigma**2 * np.array([[yy, xy], [xy, xx]]), deep, sigma),
    }
    return [r for kind, found in kinds.items() if kind in config.kinds for r in found]


def eigenvalues(plane: np.ndarray, deep: list[np.ndarray], sigma: float) -> list[np.ndarray]:
    """Of the Hessian, from the largest to the smallest."""
    matrix = plane
    if deep:
        zy, zx = (sigma * difference(deep[0], axis) for axis in (0, 1))
        matrix = np.array([[deep[1], zy, zx], [zy, *plane[0]], [zx, *plane[1]]])
    return list(np.moveaxis(np.linalg.eigvalsh(np.moveaxis(matrix, (0, 1), (2, 3))), 2, 0)[::-1])


def difference(grid: np.ndarray, axis: int) -> np.ndarray:
    return ndimage.correlate1d(grid, [-0.5, 0, 0.5], axis, mode="nearest")


def enlarge(grid: np.ndarray, shape: tuple[int, ...], step: int) -> np.ndarray:
    places = [(np.arange(n) + 0.5) / step - 0.5 for n in shape]
    return ndimage.map_coordinates(
        grid, np.meshgrid(*places, indexing="ij"), order=1, mode="nearest"
    )


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_features_are_those_of_their_definition(
    shape: tuple[int, int, int], config: FeatureConfig
) -> None:
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    wanted = reference(image, config)
    # Tiny planes have differences of 0. Second derivatives are multiplied by the square of
    # their scale, and so is the rounding of the four values that they come from.
    rounding = 4 * np.finfo(np.float32).eps * max(config.sigmas) ** 2
    np.testing.assert_allclose(compute_features(image, config), wanted, atol=max(3e-5, rounding))


@pytest.mark.parametrize("config", CONFIGS)
def test_a_part_of_a_plane_has_the_features_of_the_whole(config: FeatureConfig) -> None:
    image = np.random.default_rng(0).normal(size=(2, 131, 97)).astype(np.float32)
    whole = compute_features(image, config)
    for y, x in [(slice(0, 20), slice(90, 97)), (slice(33, 131), slice(7, 70))]:
        part = np.full_like(whole[:, :, y, x], np.nan)

        def store(z: int, strip: tuple[int, int, np.ndarray], part: np.ndarray = part) -> None:
            number, top, values = strip
            part[number, z, top : top + len(values)] = values

        reach = config.reach
        around = np.pad(image, ((reach, reach), (0, 0), (0, 0)), mode="reflect")
        each_plane(around, config, store, inner=(y, x), threads=2)
        # Where two of three eigenvalues are next to equal, rounding tells as its square root.
        tolerance = 1e-5 if config.planar else 3e-5
        np.testing.assert_allclose(part, whole[:, :, y, x], atol=tolerance)
