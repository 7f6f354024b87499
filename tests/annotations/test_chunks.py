from __future__ import annotations

import numpy as np

from napari_densify.annotations.chunks import ChunkGrid, rows_of

SHAPE = (3, 50, 70)


def test_overlaps_cover_a_region_once(rng):
    grid = ChunkGrid(SHAPE, 16)
    volume = rng.integers(0, 9, SHAPE)
    for _ in range(50):
        bounds = [sorted(rng.integers(0, n + 1, 2).tolist()) for n in SHAPE]
        region = tuple(slice(a, b) for a, b in bounds)
        out = np.full([b - a for a, b in bounds], -1)
        for index, inside, outside in grid.overlapping(region):
            assert (out[outside] == -1).all()
            out[outside] = volume[grid.region(index)][inside]
        np.testing.assert_array_equal(out, volume[region])


def test_border_chunks_are_clipped():
    grid = ChunkGrid(SHAPE, 16)
    assert grid.region((2, 3, 4)) == (slice(2, 3), slice(48, 50), slice(64, 70))
    assert grid.chunk_shape == (1, 16, 16)


def test_rows_are_runs_of_neighbours_along_x():
    indices = [(0, 0, 2), (1, 0, 0), (0, 0, 1), (0, 1, 3), (0, 0, 4)]
    rows = [[(0, 0, 1), (0, 0, 2)], [(0, 0, 4)], [(0, 1, 3)], [(1, 0, 0)]]
    assert rows_of(indices) == rows
    assert rows_of([]) == []
