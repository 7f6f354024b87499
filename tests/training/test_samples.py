from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_densify.training.crops import Crop
from napari_densify.training.samples import count_codes, sample_open, sample_paint, stroke_numbers

BORDER = ((0, 0), (4, 2), (0, 6))
ORIGIN = (7, -4, 10)


def crop() -> Crop:
    """Two classes everywhere; the one feature counts the working cells."""
    labels = torch.zeros(2, 12, 16, dtype=torch.int16)
    labels[:, :, 8:] = 1
    features = torch.arange(2 * 6 * 8).reshape(1, 2, 6, 8).half()
    image = torch.zeros(1, 2, 12, 16).half()
    return Crop(image, features, labels, ORIGIN, border=BORDER)


@pytest.mark.parametrize(("mirrored", "most"), [(True, 2 * 12 * 8), (False, 2 * 6 * 8)])
def test_samples_come_with_their_cell_and_without_copies_if_wished(
    mirrored: bool, most: int
) -> None:
    random = np.random.default_rng(0)
    found = sample_paint(crop(), (1, 2, 2), 2, 10_000, random, mirrored=mirrored)
    assert np.count_nonzero(found.codes == 0) == most
    z, y, x = found.place - np.array(ORIGIN)[:, None]
    assert (found.codes == (x >= 8)).all()
    assert (found.rows[:, 0] == (z * 6 + y // 2) * 8 + x // 2).all()
    if not mirrored:
        assert (found.place[1].min(), found.place[1].max()) == (0, 5)
        assert x.max() == 9


def test_classes_have_an_even_share() -> None:
    few = sample_paint(crop(), (1, 2, 2), 2, 20, np.random.default_rng(0))
    assert np.bincount(few.codes).tolist() == [20, 20]


def test_open_voxels_are_those_beside_paint_on_the_same_slices() -> None:
    some = crop()
    some.labels[0, 5:, 3:], some.labels[1] = -1, -1
    rows = sample_open(some, (1, 2, 2), 10_000, np.random.default_rng(0))
    # Inside the border: y 5 to 9 and x 3 to 9 of slice 0, in cells of two by two.
    y, x = np.meshgrid(np.arange(5, 10), np.arange(3, 10), indexing="ij")
    assert sorted(rows[:, 0]) == sorted((y // 2 * 8 + x // 2).ravel())
    assert len(sample_open(some, (1, 2, 2), 9, np.random.default_rng(0))) == 9
    some.labels[:] = 1
    assert len(sample_open(some, (1, 2, 2), 9, np.random.default_rng(0))) == 0


def test_strokes_are_what_hangs_together_on_a_slice() -> None:
    labels = np.full((3, 80, 140), -1, np.int16)
    labels[0, 1, 2:6] = labels[0, 2, 6] = 0  # one, over a corner
    labels[0, 5, 2:6], labels[0, 6, 2:6] = 0, 1  # two classes side by side
    labels[2, 1, 2:6] = 0  # another slice
    labels[2, 4, 10:140] = 1  # a long one
    labels[1, :, :] = 1  # an area over two by three tiles
    numbers = stroke_numbers(labels, (5, 0, 0))
    assert ((numbers > 0) == (labels >= 0)).all()
    assert numbers[0, 1, 2] == numbers[0, 2, 6]
    assert len(np.unique(numbers[0])) == 1 + 3
    assert len(np.unique(numbers[2])) == 1 + 2
    assert len(np.unique(numbers[1])) == 2 * 3
    assert not set(np.unique(numbers[0])) & set(np.unique(numbers[2])) - {0}


def test_a_stroke_has_the_same_number_in_every_crop() -> None:
    labels = np.full((3, 80, 140), -1, np.int16)
    labels[1, 20:24, 30:40] = 1
    labels[:, 40:48, 60] = 0
    whole = stroke_numbers(labels, (4, -3, 7))
    part = stroke_numbers(labels[:, 10:, 20:], (4, 7, 27))
    np.testing.assert_array_equal(part, whole[:, 10:, 20:])


def test_codes_are_counted_on_painted_slices_inside_the_border() -> None:
    some = crop()
    some.labels[0, 5:, 3:], some.labels[1] = -1, -1
    inner = some.labels[0, 4:10, :10]
    counts = count_codes(some, 2)
    assert counts.tolist() == [int((inner == code).sum()) for code in (0, 1, -1)]
