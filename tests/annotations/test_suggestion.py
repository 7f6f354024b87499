from __future__ import annotations

import numpy as np
import pytest

from napari_densify.annotations import ArrayAnnotations
from napari_densify.annotations.suggestion import (
    UncertaintyTally,
    painted_planes,
    suggest_slices,
)
from napari_densify.core.blocks import block_grid, full_region

SHAPE = (12, 16, 20)


def probabilities(unsure, *, rare=()):
    """Two classes, certain everywhere but in the slices named; class 1 only in ``rare``."""
    second = np.full(SHAPE, 0.01)
    second[list(unsure)] = 0.45
    for z in rare:
        second[z, :2, :2] = 0.55
    return np.stack([1 - second, second])


def tally_of(p):
    tally = UncertaintyTally(SHAPE, len(p))
    tally.add(full_region(SHAPE), p)
    return tally


def test_blocks_add_up_to_the_whole():
    p = probabilities([3], rare=[7])
    whole, pieces = tally_of(p), UncertaintyTally(SHAPE, 2)
    for block in block_grid(SHAPE, (5, 7, 6)):
        pieces.add(block.write, p[(slice(None), *block.write)])
    for axis in range(3):
        np.testing.assert_allclose(whole.entropy[axis], pieces.entropy[axis])
        np.testing.assert_allclose(whole.scores(axis), pieces.scores(axis))


def test_the_unsure_slice_comes_first():
    (best, *_) = suggest_slices(tally_of(probabilities([3])), [{9}, set(), set()], values=(1, 2))
    assert (best.axis, best.index, best.distance) == ("XY", 3, 6)


def test_a_painted_slice_is_not_named_nor_its_neighbour_first():
    p = probabilities([3, 4, 8])
    found = suggest_slices(tally_of(p), [{3}, set(), set()], values=(1, 2), count=50)
    in_z = [s.index for s in found if s.axis == "XY"]
    assert 3 not in in_z
    assert in_z[0] == 8


def test_suggestions_keep_their_distance_from_each_other():
    p = probabilities([2, 3, 9])
    first, second = [
        s.index
        for s in suggest_slices(tally_of(p), [set(), set(), set()], values=(1, 2), count=20)
        if s.axis == "XY"
    ][:2]
    assert {first, second} in ({2, 9}, {3, 9})


def test_a_rare_class_counts_as_much_as_a_frequent_one():
    # Slice 7 holds four unsure voxels of a class that is nowhere else; 3 a few hundred.
    scores = tally_of(probabilities([3], rare=[7])).scores(0)
    assert scores[7] > 0.8 * scores[3]
    assert scores[[0, 1, 11]].max() < 0.2 * scores[7]


def test_flat_planes_of_a_coarse_stack_come_after():
    p = np.full((2, *SHAPE), 0.5)
    found = suggest_slices(
        tally_of(p), [set(), set(), set()], values=(1, 2), spacing=(50, 5, 5), count=3
    )
    assert {s.axis for s in found} == {"XY"}


def test_slices_that_were_not_looked_at_are_not_named():
    tally = UncertaintyTally(SHAPE, 2)
    part = (slice(0, 4), slice(0, 16), slice(0, 20))
    tally.add(part, np.full((2, 4, 16, 20), 0.5))
    found = suggest_slices(tally, [set(), set(), set()], values=(1, 2), count=100)
    assert {s.index for s in found if s.axis == "XY"} == {0, 1, 2, 3}


def test_same_seed_same_answer_and_noise_decays():
    p = np.full((2, *SHAPE), 0.5)
    tally, none = tally_of(p), [set(), set(), set()]

    def answers(seed, painted=none):
        return suggest_slices(tally, painted, values=(1, 2), seed=seed, count=4)

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)
    many = [set(range(0, 12, 2)), set(range(0, 16, 2)), set(range(0, 20, 2))]
    spread_few = np.ptp([s.score for s in answers(1)])
    spread_many = np.ptp([s.score for s in answers(1, many)])
    assert spread_many < spread_few


def test_reason_names_the_classes_by_share():
    (best,) = suggest_slices(
        tally_of(probabilities([3])), [set(), set(), set()], values=(4, 9), count=1
    )
    assert best.classes[0][0] == 4
    assert sum(share for _, share in best.classes) == pytest.approx(1)
    assert best.distance is None


def test_strokes_paint_a_slice_along_z_but_not_across():
    labels = np.zeros(SHAPE, np.uint8)
    labels[5, 3:6, 3:6] = 1
    labels[:, 8, :] = 2
    z, y, x = painted_planes(ArrayAnnotations(labels))
    assert y == {8}
    assert x == set()
    assert 5 in z
