"""Which class each group is: by mean Dice, not by mere majority."""

from itertools import product

import numpy as np
import pytest

from napari_densify.classical.grouping import assign_groups, mean_dice


@pytest.mark.parametrize("seed", range(6))
def test_finds_the_best_assignment_of_small_tables(seed):
    table = np.random.default_rng(seed).integers(0, 50, (5, 3))
    best = max(mean_dice(table, np.array(c)) for c in product(range(3), repeat=5))
    found = assign_groups(table, (1, 2, 3)) - 1
    assert mean_dice(table, found) > best - 0.02


def test_a_rare_class_gets_its_group():
    table = np.array([[1000, 0], [40, 30]])
    assert assign_groups(table, (1, 2)).tolist() == [1, 2]


def test_groups_without_paint_follow_their_neighbour():
    table = np.array([[9, 0], [0, 0], [0, 0], [0, 9]])
    assert assign_groups(table, (4, 7)).tolist() == [4, 4, 7, 7]
    assert assign_groups(np.zeros((3, 2), int), (4, 7)).tolist() == [4, 4, 4]
