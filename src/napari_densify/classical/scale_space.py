"""The responses of one plane at one scale after the other, in strips that stay in the cache.

A Gaussian is separable, and along one axis it is a product with a band matrix: blocks of
it go through the matrix product of the libraries, which is several times faster than a
filter that walks along lines. The same holds for enlarging what was computed coarsely.
Where slices are close, a plane is first smoothed and differentiated along Z.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev, Polynomial

from napari_densify.core.settings import FeatureConfig

__all__ = ["Strip", "plane_responses"]

Plane = npt.NDArray[np.float32]
Slab = npt.NDArray[np.float32]
Box = tuple[slice, slice]
Strip = tuple[int, int, Plane]
"""Number of the feature, first row, and its values ``(rows, X)``."""

# From this scale on a plane is smoothed on a grid of half the resolution: the
# Gaussian has already removed what the finer grid could show.
_COARSE_SIGMA = 3.0
_TRUNCATE = 3.0
# Rows (columns) of an answer per matrix product.
_BLOCK = 32
# A strip's arrays stay in the fastest caches.
_STRIP_CELLS = 20_000
# Second differences look two cells away.
_RIM = 2
# cos(2/3 x) as a polynomial in cos(x), from 0 to 90 degrees: right to 1e-7.
_THIRD = (
    Chebyshev.interpolate(lambda c: np.cos(2 / 3 * np.arccos(c)), 9, domain=(0, 1))
    .convert(kind=Polynomial)
    .coef.astype(np.float32)
)


def plane_responses(slab: Slab, config: FeatureConfig, inner: Box) -> Iterator[Strip]:
    """Compute the features of a part of a plane.

    Parameters
    ----------
    slab
        ``(2 * reach + 1, Y, X)`` float32: the plane between those that ``config`` looks at.
    config
        Scales and kinds.
    inner
        Rows and columns that are wanted.

    Yields
    ------
    Strips of the features, relative to ``inner``. Their arrays are used again: take
    from them what is needed before the next.
    """
    first = 0
    for sigma in config.sigmas:
        grids, step = _across(slab, config.slice_sigma(sigma)), 1
        while sigma / step >= 2 * _COARSE_SIGMA and min(grids[0].shape) >= 16:
            grids, step = [_halve(grid) for grid in grids], 2 * step
        cells = _coarse_box(inner, step, grids[0].shape)
        strips = _scale_responses(grids, sigma / step, config, cells)
        if step > 1:
            strips = _enlarge(_joined(strips, cells), inner, cells, step, grids[0].shape)
        count = 0
        for number, top, values in strips:
            count = max(count, number + 1)
            yield first + number, top, values
        first += count


def _across(slab: Slab, sigma: float) -> list[Plane]:
    """Smooth along Z: the plane, and its scale-normalised first and second difference there."""
    middle = len(slab) // 2
    if not sigma:
        return [slab[middle]]
    weights = _slice_weights(sigma)
    reach = weights.shape[1] // 2
    around = slab[middle - reach : middle + reach + 1]
    return list((weights @ around.reshape(len(around), -1)).reshape(-1, *slab.shape[1:]))


@lru_cache(maxsize=64)
def _slice_weights(sigma: float) -> Plane:
    """Weights ``(3, slices)`` of a Gaussian and its differences, scale-normalised."""
    kernel = np.pad(_gaussian(sigma), 1)
    wide = np.pad(kernel, 1)
    first, second = 0.5 * (wide[:-2] - wide[2:]), wide[:-2] - 2 * kernel + wide[2:]
    return np.stack([kernel, sigma * first, sigma**2 * second]).astype(np.float32)


def _scale_responses(
    grids: list[Plane], sigma: float, config: FeatureConfig, box: Box
) -> Iterator[Strip]:
    smooth, *deep = [_blur(grid, sigma, box) for grid in grids]
    height, width = (n - 2 * _RIM for n in smooth.shape)
    rows = max(8, _STRIP_CELLS // width)
    for top in range(0, height, rows):
        strips = [plane[top : min(top + rows, height) + 2 * _RIM] for plane in (smooth, *deep)]
        for number, values in enumerate(_responses(strips, sigma, config)):
            yield number, top, values


def _responses(strips: list[Plane], sigma: float, config: FeatureConfig) -> Iterator[Plane]:
    """Responses of smoothed rows that hold two more cells on each side."""
    strip, *deep = strips
    if "intensity" in config.kinds:
        yield strip[2:-2, 2:-2]
    down = strip[2:, 1:-1] - strip[:-2, 1:-1]  # twice the derivative, one more cell around
    right = strip[2:-2, 2:] - strip[2:-2, :-2]
    if "edges" in config.kinds:
        edge = down[1:-1, 1:-1] ** 2
        across = right[:, 1:-1] ** 2
        edge += across
        if deep:
            edge += (deep[0][2:-2, 2:-2] * np.float32(2 / sigma)) ** 2
        np.sqrt(edge, out=edge)
        edge *= np.float32(0.5 * sigma)
        yield edge
    if "hessian" in config.kinds:
        yield from _curvatures(strips, sigma) if deep else _plane_curvatures(down, right, sigma)


def _plane_curvatures(down: Plane, right: Plane, sigma: float) -> Iterator[Plane]:
    """Eigenvalues of the scale-normalised 2 x 2 Hessian, from twice the first derivatives."""
    yy = down[2:, 1:-1] - down[:-2, 1:-1]  # four times the second derivatives
    xx = right[:, 2:] - right[:, :-2]
    xy = down[1:-1, 2:] - down[1:-1, :-2]
    spread = yy - xx
    yy += xx
    np.multiply(spread, spread, out=spread)
    xy += xy
    np.multiply(xy, xy, out=xy)
    spread += xy
    np.sqrt(spread, out=spread)
    scale = np.float32(sigma**2 / 8)
    yy *= scale
    spread *= scale
    yield np.add(yy, spread, out=xx)
    yield np.subtract(yy, spread, out=xy)


def _curvatures(strips: list[Plane], sigma: float) -> Iterator[Plane]:
    """Eigenvalues of the scale-normalised 3 x 3 Hessian, from the largest to the smallest.

    References
    ----------
    Smith, Eigenvalues of a symmetric 3 x 3 matrix, Communications of the ACM 4, 168 (1961).
    """
    smooth, slope, zz = strips[0], strips[1], strips[2][2:-2, 2:-2]
    scale = np.float32(sigma**2 / 4)
    centre = smooth[2:-2, 2:-2] * np.float32(2)
    yy = (smooth[4:, 2:-2] + smooth[:-4, 2:-2] - centre) * scale
    xx = (smooth[2:-2, 4:] + smooth[2:-2, :-4] - centre) * scale
    xy = smooth[3:-1, 3:-1] + smooth[1:-3, 1:-3] - smooth[3:-1, 1:-3] - smooth[1:-3, 3:-1]
    xy *= scale
    half = np.float32(sigma / 2)
    zy = (slope[3:-1, 2:-2] - slope[1:-3, 2:-2]) * half
    zx = (slope[2:-2, 3:-1] - slope[2:-2, 1:-3]) * half
    mean = (zz + yy + xx) / 3
    a, b, c = zz - mean, yy - mean, xx - mean
    spread = a * a + b * b + c * c + 2 * (zy * zy + zx * zx + xy * xy)
    spread = np.sqrt(spread / 6)
    determinant = a * (b * c - xy * xy) - zy * (zy * c - xy * zx) + zx * (zy * xy - b * zx)
    cube = spread * spread * spread
    cosine = determinant / np.maximum(2 * cube, np.float32(1e-20))
    np.clip(cosine, -1, 1, out=cosine)
    spread *= 2
    large = mean + spread * _third_of_angle(cosine)
    small = mean - spread * _third_of_angle(-cosine)
    yield large
    yield 3 * mean - large - small
    yield small


def _third_of_angle(cosine: Plane) -> Plane:
    """Cosine of a third of an angle: a polynomial in that of its half, quicker than arccos."""
    half = np.sqrt(np.float32(0.5) * cosine + np.float32(0.5))
    third: Plane = np.full_like(half, _THIRD[-1])
    for coefficient in _THIRD[-2::-1]:
        third *= half
        third += coefficient
    return third


def _blur(grid: Plane, sigma: float, box: Box) -> Plane:
    """Smooth a box and two cells around it; beyond the border derivatives go on unchanged."""
    band, radius = _band(sigma)
    inside, beyond = [], []
    for side, n in zip(box, grid.shape, strict=True):
        low, high = max(0, side.start - _RIM), min(n, side.stop + _RIM)
        inside.append(slice(low, high))
        beyond.append((low - (side.start - _RIM), side.stop + _RIM - high))
    source = _mirrored(grid, inside, radius)
    height, width = (s.stop - s.start for s in inside)
    partly = np.empty((height, source.shape[1]), np.float32)
    for top in range(0, height, _BLOCK):
        rows = min(_BLOCK, height - top)
        part = source[top : top + rows + 2 * radius]
        np.matmul(band[:rows, : len(part)], part, out=partly[top : top + rows])
    out = np.empty((height + sum(beyond[0]), width + sum(beyond[1])), np.float32)
    whole = out[beyond[0][0] : beyond[0][0] + height, beyond[1][0] : beyond[1][0] + width]
    for left in range(0, width, _BLOCK):
        columns = min(_BLOCK, width - left)
        part = partly[:, left : left + columns + 2 * radius]
        across = band[:columns, : part.shape[1]].T
        np.matmul(part, across, out=whole[:, left : left + columns])
    _extend(out[:, beyond[1][0] : beyond[1][0] + width], *beyond[0])
    _extend(out.T, *beyond[1])
    return out


@lru_cache(maxsize=64)
def _band(sigma: float) -> tuple[Plane, int]:
    """Band matrix ``(block, block + 2 * radius)`` of a Gaussian, cut at three sigma."""
    kernel = _gaussian(sigma)
    radius = len(kernel) // 2
    band = np.zeros((_BLOCK, _BLOCK + 2 * radius), np.float32)
    for row in range(_BLOCK):
        band[row, row : row + len(kernel)] = kernel
    return band, radius


def _gaussian(sigma: float) -> npt.NDArray[np.float64]:
    radius = int(_TRUNCATE * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    whole: npt.NDArray[np.float64] = kernel / kernel.sum()
    return whole


def _mirrored(grid: Plane, inside: list[slice], radius: int) -> Plane:
    """Cut out a box with so much around it; mirrored at the border, whose cell is repeated."""
    cut, pads = [], []
    for side, n in zip(inside, grid.shape, strict=True):
        low, high = max(0, side.start - radius), min(n, side.stop + radius)
        cut.append(slice(low, high))
        pads.append((low - (side.start - radius), side.stop + radius - high))
    source = grid[cut[0], cut[1]]
    if not any(map(any, pads)):
        return source
    mirrored: Plane = np.pad(source, pads, mode="symmetric")
    return mirrored


def _extend(lines: Plane, before: int, after: int) -> None:
    """Fill up to two lines at either end so that differences at the border are repeated."""
    stop = len(lines) - after
    for end, count, step in ((before, before, 1), (stop - 1, after, -1)):
        if not count:
            continue
        edge = lines[end]
        lines[end - step] = edge
        if count > 1:
            inner = lines[end + step] if stop - before > 1 else edge
            lines[end - 2 * step] = 2 * edge - inner


def _halve(plane: Plane) -> Plane:
    y, x = plane.shape
    if y % 2 or x % 2:
        plane = np.pad(plane, ((0, y % 2), (0, x % 2)), mode="edge")
    rows = plane[::2] + plane[1::2]
    halved: Plane = rows[:, ::2] + rows[:, 1::2]
    halved *= np.float32(0.25)
    return halved


def _coarse_box(inner: Box, step: int, shape: tuple[int, ...]) -> Box:
    """Cells that the interpolation of a box needs."""
    if step == 1:
        return inner
    y, x = (
        slice(max(0, s.start // step - 1), min(n, -(-s.stop // step) + 1))
        for s, n in zip(inner, shape, strict=True)
    )
    return y, x


def _joined(strips: Iterator[Strip], box: Box) -> list[Plane]:
    """Put the strips of each feature together: ``(y, x)`` cells of a box."""
    whole: list[Plane] = []
    for number, top, values in strips:
        if number == len(whole):
            height = box[0].stop - box[0].start
            whole.append(np.empty((height, values.shape[1]), np.float32))
        whole[number][top : top + len(values)] = values
    return whole


def _enlarge(
    coarse: list[Plane], inner: Box, cells: Box, step: int, shape: tuple[int, ...]
) -> Iterator[Strip]:
    """Interpolate linearly; cell centres of the coarse grid lie between those of the fine one."""
    down, across = (
        _between(s.start, s.stop, step, c.start, c.stop, n)
        for s, c, n in zip(inner, cells, shape, strict=True)
    )
    for number, plane in enumerate(coarse):
        wide = np.empty((len(plane), across.shape[1]), np.float32)
        for left, low, high in _spans(across.shape[1], step, inner[1], cells[1]):
            block = across[low:high, left : left + _BLOCK]
            np.matmul(plane[:, low:high], block, out=wide[:, left : left + _BLOCK])
        for top, low, high in _spans(down.shape[1], step, inner[0], cells[0]):
            yield number, top, down[low:high, top : top + _BLOCK].T @ wide[low:high]


@lru_cache(maxsize=64)
def _between(start: int, stop: int, step: int, low: int, high: int, length: int) -> Plane:
    """Weights ``(cells low to high, voxels start to stop)`` of linear interpolation."""
    place = (np.arange(start, stop) + 0.5) / step - 0.5
    before = np.floor(place).astype(int)
    weights = np.zeros((high - low, stop - start), np.float32)
    voxels = np.arange(stop - start)
    for cell, share in ((before, 1 - (place - before)), (before + 1, place - before)):
        np.add.at(weights, (cell.clip(0, length - 1) - low, voxels), share)
    return weights


def _spans(length: int, step: int, side: slice, cells: slice) -> Iterator[tuple[int, int, int]]:
    """First voxel of each block, and the cells that it is interpolated from."""
    for first in range(0, length, _BLOCK):
        start, stop = side.start + first, side.start + min(first + _BLOCK, length)
        low = max(cells.start, start // step - 1)
        high = min(cells.stop, -(-stop // step) + 1)
        yield first, low - cells.start, high - cells.start
