"""A volume at another voxel size: read in any pieces, and answered voxel by voxel."""

import numpy as np
import pytest
from scipy import ndimage

from napari_densify.core.blocks import Region, block_grid
from napari_densify.core.normalisation import Intensity
from napari_densify.core.volume import Volume
from napari_densify.inference.differences import intensity_difference
from napari_densify.inference.rescale import RescaledSink, coarse_region, rescaled

VOXELS = np.random.default_rng(0).random((6, 20, 30)).astype(np.float32)
VOLUME = Volume(VOXELS, spacing=(30, 10, 10), spacing_known=True)


def test_coarser_voxels_are_means_of_the_finer_ones() -> None:
    coarse = rescaled(VOLUME, (30, 20, 30))
    assert coarse.shape == (6, 10, 10)
    assert coarse.spacing == (30, 20, 30)
    expected = VOXELS.reshape(6, 10, 2, 10, 3).mean((2, 4))
    np.testing.assert_allclose(coarse.read()[0], expected, rtol=1e-5)


def test_finer_voxels_are_interpolated_linearly() -> None:
    fine = rescaled(VOLUME, (30, 5, 10))
    expected = ndimage.zoom(VOXELS, (1, 2, 1), order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(fine.read()[0], expected, atol=1e-5)


@pytest.mark.parametrize("spacing", [(31, 7, 13), (70, 10, 25), (30, 10.5, 9.5)])
def test_pieces_are_parts_of_the_whole(spacing: tuple[float, float, float]) -> None:
    seen = rescaled(VOLUME, spacing)
    whole = seen.read()
    for block in block_grid(seen.shape, (2, 7, 5)):
        np.testing.assert_allclose(
            seen.read(block.write), whole[(slice(None), *block.write)], rtol=1e-5
        )


class Kept:
    """Sink that remembers how often each voxel was written."""

    shape = VOXELS.shape
    path = "kept"

    def __init__(self) -> None:
        self.values, self.times = np.zeros(self.shape), np.zeros(self.shape, int)

    def write(self, region: Region, array: np.ndarray) -> None:
        self.values[region] = array
        self.times[region] += 1


@pytest.mark.parametrize("shape", [(6, 10, 10), (4, 27, 30), (1, 41, 7)])
def test_answers_cover_every_voxel_once_with_the_nearest_value(shape: tuple[int, ...]) -> None:
    coarse = np.random.default_rng(1).random(shape)
    kept = Kept()
    sink = RescaledSink(kept, shape)
    assert sink.path == "kept"
    for block in block_grid(shape, (2, 5, 4)):
        sink.write(block.write, coarse[block.write])
    assert (kept.times == 1).all()
    places = [
        np.minimum(np.floor((np.arange(n) + 0.5) * m / n).astype(int), m - 1)
        for n, m in zip(VOXELS.shape, shape, strict=True)
    ]
    np.testing.assert_array_equal(kept.values, coarse[np.ix_(*places)])


def test_only_the_region_asked_for_is_written() -> None:
    shape, region = (6, 10, 10), (slice(1, 4), slice(3, 9), slice(10, 30))
    box = coarse_region(region, VOXELS.shape, shape)
    assert box == (slice(1, 4), slice(1, 5), slice(3, 10))
    kept = Kept()
    RescaledSink(kept, shape, region).write(box, np.ones([s.stop - s.start for s in box]))
    inside = np.zeros(VOXELS.shape, int)
    inside[region] = 1
    np.testing.assert_array_equal(kept.times, inside)


def grey(mean: float, deviation: float) -> Intensity:
    return Intensity(low=(0.0,), high=(255.0,), offset=(mean,), scale=(deviation,))


@pytest.mark.parametrize(
    ("mean", "deviation", "said"),
    [(100, 20, False), (110, 25, False), (150, 20, True), (100, 60, True), (100, 8, True)],
)
def test_grey_values_that_differ_are_said(mean: float, deviation: float, said: bool) -> None:
    text = intensity_difference(grey(100, 20), grey(mean, deviation))
    assert bool(text) == said
    assert not said or f"{mean} ± {deviation}" in text
    assert intensity_difference(None, grey(mean, deviation)) == ""
