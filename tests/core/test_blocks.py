from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from napari_densify.core.blocks import (
    block_grid,
    full_region,
    parse_region,
    region_shape,
)
from napari_densify.core.errors import InputError

SHAPES = [(1, 1, 1), (1, 64, 65), (7, 30, 31), (20, 16, 5)]
SIZES = [(1, 16, 16), (4, 7, 9), (64, 64, 64)]


@pytest.mark.parametrize(("shape", "size"), list(product(SHAPES, SIZES)))
def test_write_regions_tile_the_volume_exactly_once(shape, size):
    written = np.zeros(shape, int)
    for block in block_grid(shape, size):
        written[block.write] += 1
    assert (written == 1).all()


def test_blocks_come_slice_by_slice_with_their_index():
    indices = [b.index for b in block_grid((4, 4, 4), (2, 4, 2))]
    assert indices == [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1)]


def test_region_shape_of_the_full_region():
    assert region_shape(full_region((3, 4, 5))) == (3, 4, 5)


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("0:10,5:7,1:2", ((0, 10), (5, 7), (1, 2))),
        (":,:,:", ((0, 10), (0, 20), (0, 30))),
        ("3:, :8 ,29:30", ((3, 10), (0, 8), (29, 30))),
    ],
)
def test_parse_region(text, bounds):
    region = parse_region(text, (10, 20, 30))
    assert tuple((s.start, s.stop) for s in region) == bounds


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0:5,0:5", "three axes"),
        ("", "three axes"),
        ("0:5,a:5,:", "not a range"),
        ("5,:,:", "not a range"),
        ("0:11,:,:", "leaves the volume on axis Z"),
        (":,-3:5,:", "leaves the volume on axis Y"),
        (":,:,7:7", "leaves the volume on axis X"),
    ],
)
def test_parse_region_says_what_is_wrong(text, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        parse_region(text, (10, 20, 30))
    assert "\n" not in str(caught.value)
