from __future__ import annotations

import numpy as np

from napari_densify.annotations import ArrayAnnotations, sum_slices
from napari_densify.annotations.chunks import ChunkGrid
from napari_densify.annotations.tally import Tally, tally_chunk

SHAPE = (3, 100, 90)


def tally_of(labels, edge=32):
    grid = ChunkGrid(SHAPE, edge)
    tally = Tally(grid)
    for index, _, box in grid.overlapping(tuple(slice(0, n) for n in SHAPE)):
        tally.set(index, tally_chunk(labels[box]))
    return tally


def test_counts_are_those_of_the_array(rng):
    labels = rng.integers(0, 4, SHAPE).astype(np.uint8)
    labels[1] = 0
    tally, truth = tally_of(labels), ArrayAnnotations(labels)
    assert tally.counts() == truth.counts()
    assert tally.slice_counts() == truth.slice_counts()


def test_a_changed_chunk_replaces_its_old_counts():
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, :10, :10] = 2
    tally = tally_of(labels)
    tally.set((0, 0, 0), tally_chunk(np.full((1, 32, 32), 3, np.uint8)))
    assert tally.counts() == {3: 1024}
    tally.set((0, 0, 0), None)
    assert tally.counts() == {}
    assert tally.slice_counts() == {}
    assert tally.boxes() == []


def test_boxes_hold_every_voxel_once(rng):
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 5:9, 7:20] = 1
    labels[2, 0, 0], labels[2, 99, 89] = 1, 2  # far apart: two boxes
    seen = np.zeros(SHAPE, int)
    boxes = tally_of(labels).boxes()
    for box in boxes:
        seen[box] += 1
    assert boxes[0] == (slice(0, 1), slice(5, 9), slice(7, 20))
    assert len(boxes) == 3
    assert seen.max() == 1
    assert (seen[labels > 0] == 1).all()


def test_a_stroke_across_chunks_is_one_box():
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 20:50, 20:50] = 1
    assert tally_of(labels).boxes() == [(slice(1, 2), slice(20, 50), slice(20, 50))]


def test_a_copy_is_independent():
    labels = np.ones(SHAPE, np.uint8)
    tally = tally_of(labels)
    copy = tally.copy()
    tally.set((0, 0, 0), None)
    assert copy.counts() == {1: labels.size}
    assert tally.counts() == {1: labels.size - 1024}


def test_object_ids_of_any_size_are_counted():
    chunk = np.zeros((1, 4, 4), np.uint32)
    chunk[0, 1, 1:3] = 4_000_000_000
    tally = tally_chunk(chunk)
    assert tally.counts == {4_000_000_000: 2}
    assert tally.bounds == (1, 2, 1, 3)
    assert tally_chunk(np.zeros((1, 4, 4), np.uint32)) is None


def test_counts_of_slices_are_summed_up_in_the_order_of_the_codes():
    slices = {0: {2: 5}, 3: {1: 4, 2: 1}, 7: {1: 9}}
    assert list(sum_slices(slices, without=[7]).items()) == [(1, 4), (2, 6)]
    assert sum_slices({}) == {}
