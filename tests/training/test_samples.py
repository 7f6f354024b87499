from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_densify.training.crops import Crop
from napari_densify.training.samples import sample_paint

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
