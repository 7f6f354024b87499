from __future__ import annotations

import numpy as np
import pytest

from napari_densify.core.blocks import Region
from napari_densify.training.pieces import plan_pieces


def covered(pieces: list, shape: tuple[int, int, int], *, coarse: bool) -> np.ndarray:
    count = np.zeros(shape, int)
    for piece in pieces:
        if piece.coarse == coarse:
            count[piece.fill] += 1
    return count


def test_a_slice_that_is_quick_comes_in_one_fine_piece() -> None:
    region: Region = (slice(3, 4), slice(0, 500), slice(0, 600))
    (piece,) = plan_pieces(region, (2, 64, 64), 1e-6)
    assert (piece.region, piece.fill, piece.coarse) == (region, region, False)


def test_a_plane_across_the_slices_comes_coarse_first_and_then_what_is_missing() -> None:
    region: Region = (slice(0, 40), slice(7, 8), slice(0, 50))
    pieces = list(plan_pieces(region, (0, 50, 50), 1e-5))
    shape = (40, 8, 50)
    assert (covered(pieces, shape, coarse=True)[:, 7] == 1).all()
    done = covered(pieces, shape, coarse=False)[:, 7].max(1)
    for piece in pieces:
        if piece.coarse:
            done[piece.region[0]] += 1
    assert (done == 1).all()  # every slice is predicted exactly once
    assert [p.coarse for p in pieces] == sorted((p.coarse for p in pieces), reverse=True)
    voxels = sum(p.read_voxels((0, 50, 50)) for p in pieces if p.coarse)
    assert voxels * 1e-5 < 3.0


def test_without_a_coarse_answer_everything_is_fine() -> None:
    region: Region = (slice(0, 40), slice(7, 8), slice(0, 50))
    pieces = list(plan_pieces(region, (0, 50, 50), 1e-5, coarse=False))
    assert not any(p.coarse for p in pieces)
    assert (covered(pieces, (40, 8, 50), coarse=False)[:, 7] == 1).all()


@pytest.mark.parametrize("size", [1500, 3000])
def test_tiles_of_a_large_slice_cover_it_once_from_the_middle(size: int) -> None:
    region: Region = (slice(0, 1), slice(0, size), slice(0, size))
    pieces = list(plan_pieces(region, (0, 0, 0), 1e-9))
    assert (covered(pieces, (1, size, size), coarse=False) == 1).all()
    first = pieces[0].region
    assert first[1].start <= size // 2 < first[1].stop or size == 1500


def test_a_slice_that_is_slow_comes_in_small_tiles() -> None:
    region: Region = (slice(0, 1), slice(0, 1024), slice(0, 1024))
    sizes = {p.region[1].stop - p.region[1].start for p in plan_pieces(region, (0, 0, 0), 1.6e-6)}
    assert sizes == {512}
