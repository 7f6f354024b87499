"""The space that structures are made in: coordinates in nm, smooth noise, random cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from napari_densify.core.volume import Spacing

__all__ = ["Array", "Cells", "Space", "fine_noise", "make_cells", "smooth_noise", "unit_vector"]

Array = NDArray[np.float32]
_Floats = NDArray[np.float64]
_Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Space:
    """A grid of points: its shape (Z, Y, X), its spacing in nm, and its own randomness."""

    shape: _Shape
    spacing: Spacing
    random: np.random.Generator

    @property
    def size(self) -> NDArray[np.float64]:
        """Edges (Z, Y, X) in nm."""
        return np.multiply(self.shape, self.spacing)

    def coordinates(self) -> Array:
        """Positions in nm, ``(3, Z, Y, X)``."""
        axes = [
            np.arange(n, dtype=np.float32) * s
            for n, s in zip(self.shape, self.spacing, strict=True)
        ]
        return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)

    def box(self, centre: NDArray[np.int64], reach: float | _Floats) -> tuple[slice, ...]:
        """Voxels within ``reach`` nm (or Z, Y, X) of an index position, cut to the grid."""
        half = np.ceil(reach / np.array(self.spacing)).astype(int)
        low, high = np.maximum(centre - half, 0), np.minimum(centre + half + 1, self.shape)
        return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))

    def warped(self, *bends: tuple[float, float]) -> Array:
        """Coordinates displaced by smooth noise; each bend is (wavelength, amplitude) in nm."""
        points = self.coordinates()
        for scale, amplitude in bends:
            for axis in points:
                axis += amplitude * smooth_noise(self, scale)
        return points


def smooth_noise(space: Space, scale: float) -> Array:
    """Gaussian noise of unit deviation, smooth over about ``scale`` nm, ``(Z, Y, X)``.

    Random coefficients of cubic B-splines on a grid ``scale`` nm wide: three small matrix
    products instead of a wide filter.
    """
    sizes = [
        int(np.ceil(n * s / scale)) + 4 for n, s in zip(space.shape, space.spacing, strict=True)
    ]
    values = space.random.standard_normal(sizes).astype(np.float32)
    for axis, (n, s) in enumerate(zip(space.shape, space.spacing, strict=True)):
        weights = _spline_weights(n, s / scale, sizes[axis], space.random.uniform())
        values = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
    return np.ascontiguousarray(values / 0.33, dtype=np.float32)


def _spline_weights(count: int, step: float, knots: int, phase: float) -> Array:
    distance = np.abs(np.arange(count)[:, None] * step + 1 + phase - np.arange(knots))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.maximum(2 - distance, 0) ** 3 / 6
    weights: Array = np.where(distance < 1, near, far).astype(np.float32)
    return weights


def fine_noise(space: Space, scale: float) -> Array:
    """Grain of unit deviation, about ``scale`` nm wide, also below a voxel."""
    sigma = [0.5 * scale / s for s in space.spacing]
    grain = gaussian_filter(space.random.standard_normal(space.shape, np.float32), sigma)
    return np.asarray(grain / (grain.std() + 1e-6), dtype=np.float32)


def unit_vector(random: np.random.Generator) -> NDArray[np.float64]:
    """Direction drawn evenly from the sphere."""
    vector = random.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


@dataclass(frozen=True)
class Cells:
    """Space divided among cells.

    Attributes
    ----------
    points
        Warped positions in nm, ``(3, Z, Y, X)``; cells are convex in these.
    ids
        Cell at each voxel, and its nearest neighbour, ``(Z, Y, X)``.
    gap
        Distance to the wall between the two in nm, ``(Z, Y, X)``.
    axis
        Direction along which cells are stretched.
    count
        Number of cells, those outside the grid included.
    """

    points: Array
    ids: NDArray[np.int32]
    others: NDArray[np.int32]
    gap: Array
    axis: NDArray[np.float64]
    count: int


def make_cells(
    space: Space,
    points: Array,
    *,
    diameter: float,
    stretch: float = 1.0,
    variety: float = 0.3,
    axis: NDArray[np.float64] | None = None,
) -> Cells:
    """Divide space by a power diagram of random seeds.

    Parameters
    ----------
    space, points
        The grid and its warped positions in nm.
    diameter
        Typical cell diameter across its axis, in nm.
    stretch
        Cell length over diameter.
    variety
        Spread of cell sizes: 0 even, 1 a few giants among dwarfs.
    axis
        Direction of stretching; random if None.

    Notes
    -----
    A power diagram (Aurenhammer 1987) is a Voronoi diagram with one more coordinate, so
    the k-d tree of SciPy finds both the cell and its neighbour.
    """
    axis = unit_vector(space.random) if axis is None else axis
    squeeze = np.eye(3) + (1 / stretch - 1) * np.outer(axis, axis)
    seeds = _seeds(space, diameter, stretch, axis) @ squeeze
    radii = diameter * variety * space.random.lognormal(0, 0.6, len(seeds))
    lift = np.sqrt(np.maximum(radii.max() ** 2 - radii**2, 0))
    flat = np.tensordot(squeeze.astype(np.float32), points, 1)
    ids, others, excess = _nearest_two(space, flat, seeds, lift, 0.12 * diameter)
    normals = np.linalg.norm((seeds[:, None] - seeds) @ squeeze, axis=-1).astype(np.float32)
    gap = excess / (2 * np.maximum(normals[ids, others], 1e-3))
    return Cells(points, ids, others, gap, axis, len(seeds))


def _nearest_two(
    space: Space, points: Array, seeds: _Floats, lift: _Floats, reach: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], Array]:
    """Nearest and second nearest seed of every point, and by how much power they differ.

    The tree is asked on a coarse grid (a point every ``reach`` nm) for a handful of
    candidates; all other points choose among those of the grid point beside them.
    """
    steps = [max(1, int(reach / s)) for s in space.spacing]
    coarse = points[(slice(None), *(slice(s // 2, None, s) for s in _fit(steps, space.shape)))]
    lifted = np.column_stack([seeds, lift])
    asked = np.pad(coarse.reshape(3, -1).T, ((0, 0), (0, 1)))
    k = min(12, len(seeds))
    found = cKDTree(lifted).query(asked, k=k, workers=-1)[1].astype(np.int32)
    found = found.reshape(*coarse.shape[1:], k)
    constant = (lifted**2).sum(1)
    best = np.full(space.shape, np.inf, np.float32)
    second, first_id, second_id = best.copy(), *np.zeros((2, *space.shape), np.int32)
    for candidate in np.moveaxis(found, -1, 0):
        ids = _spread(candidate, steps, space.shape)
        power = constant[ids].astype(np.float32)
        for axis in range(3):
            power -= 2 * points[axis] * seeds[:, axis].astype(np.float32)[ids]
        wins, places = power < best, power < second
        second = np.where(wins, best, np.where(places, power, second))
        second_id = np.where(wins, first_id, np.where(places, ids, second_id))
        best, first_id = np.where(wins, power, best), np.where(wins, ids, first_id)
    return first_id, second_id, second - best


def _fit(steps: list[int], shape: _Shape) -> list[int]:
    """Cut steps to be no longer than the grid."""
    return [min(s, n) for s, n in zip(steps, shape, strict=True)]


def _spread(values: NDArray[np.int32], steps: list[int], shape: _Shape) -> NDArray[np.int32]:
    """Give every point the value of the coarse grid point beside it."""
    where = [
        np.minimum(np.arange(n) // s, m - 1)
        for n, s, m in zip(shape, _fit(steps, shape), values.shape, strict=True)
    ]
    return values[np.ix_(*where)]


def _seeds(
    space: Space, diameter: float, stretch: float, axis: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Draw seeds in the grid and around it, the closest pairs thinned out."""
    margin = diameter * (1 + np.abs(axis) * (stretch - 1)) * 1.5
    low, high = -margin, space.size + margin
    count = int(np.prod(high - low) / (0.7 * diameter**3 * stretch)) + 8
    seeds = space.random.uniform(low, high, (count, 3))
    pairs = cKDTree(seeds).query_pairs(0.4 * diameter, output_type="ndarray")
    return np.asarray(np.delete(seeds, np.unique(pairs[:, 1]), axis=0))
