"""Whether cells of 2 x 2 voxels lose what tells the classes apart.

At half the resolution a network sees four times as far and is quicker, and most stacks
have pixels to spare. Where they have not, a forest on features of single voxels knows
painted tiles that it did not see clearly better than one on features of cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from napari_densify.classical.task import best_window
from napari_densify.core.blocks import Region
from napari_densify.core.labels import ClassTable, to_class_indices
from napari_densify.core.normalisation import Intensity
from napari_densify.core.settings import FeatureConfig, TrainSettings, Triple
from napari_densify.inference.inputs import encode
from napari_densify.training.crops import Crop
from napari_densify.training.paint import TrainingSource
from napari_densify.training.plan import CELLS, large_planes
from napari_densify.training.quick import QuickForest

__all__ = ["is_open", "needs_voxels"]

_VOXELS: Triple = (1, 1, 1)
# Slices that are looked at, and voxels of each: half a second of work. Their window lies
# at most so far from the largest painted box, however large the plane.
_SLICES, _WINDOW, _REACH = 4, 512 * 512, 1024
_FORESTS = 2
# Errors on voxels over errors on cells below which the full resolution pays.
_CLEARLY = 0.8


def is_open(settings: TrainSettings, shape: Triple) -> bool:
    """Whether a training that begins afresh may choose its resolution by looking at the paint."""
    chooses = settings.working_factor is None and settings.preset in ("auto", "fast")
    return chooses and large_planes(shape)


def needs_voxels(
    source: TrainingSource,
    intensity: Intensity,
    table: ClassTable,
    held_out: Sequence[int] = (),
) -> bool:
    """Compare forests at both resolutions on painted tiles that they did not see.

    Parameters
    ----------
    source
        Volume with its paint; some windows of it are read.
    intensity
        Its measured intensities.
    table
        Classes that are painted.
    held_out
        Slices that are not looked at.
    """
    windows = list(_windows(source, table, held_out))
    if not windows:
        return False
    voxels, cells = (_error(source, intensity, table, windows, f) for f in (_VOXELS, CELLS))
    return voxels < _CLEARLY * cells  # NaN: too little paint to tell


def _windows(
    source: TrainingSource, table: ClassTable, held_out: Sequence[int]
) -> Iterator[Region]:
    """Windows of painted slices in which all classes are painted well."""
    paint = source.annotations
    painted = [z for z in sorted(paint.slice_counts()) if z not in held_out]
    picks = np.unique(np.linspace(0, len(painted) - 1, _SLICES).round().astype(int))
    boxes = paint.painted_boxes()
    for z in (painted[i] for i in picks) if painted else ():
        rows, columns = _around([b[1:] for b in boxes if b[0].start <= z < b[0].stop])
        plane = paint.read((slice(z, z + 1), rows, columns))[0]
        y, x = best_window(plane, table.values, _WINDOW)
        sides = zip((y, x), (rows, columns), source.volume.shape[1:], CELLS[1:], strict=True)
        window = [_whole_cells(s, within.start, n, cell) for s, within, n, cell in sides]
        if all(side.start < side.stop for side in window):
            yield slice(z, z + 1), window[0], window[1]


def _around(boxes: Sequence[tuple[slice, slice]]) -> tuple[slice, slice]:
    """Rows and columns of the boxes that lie near the largest one."""
    largest = max(boxes, key=lambda b: (b[0].stop - b[0].start) * (b[1].stop - b[1].start))
    sides = []
    for axis, side in enumerate(largest):
        middle = (side.start + side.stop) // 2
        low = max(min(b[axis].start for b in boxes), middle - _REACH)
        sides.append(slice(low, min(max(b[axis].stop for b in boxes), middle + _REACH)))
    return sides[0], sides[1]


def _whole_cells(side: slice, offset: int, length: int, cell: int) -> slice:
    """Grow a side to whole cells, as far as the plane has them."""
    start, stop = side.start + offset, side.stop + offset
    return slice(start // cell * cell, min(-(-stop // cell), length // cell) * cell)


def _error(
    source: TrainingSource,
    intensity: Intensity,
    table: ClassTable,
    windows: Sequence[Region],
    factor: Triple,
) -> float:
    crops = [_crop(source, intensity, table, window, factor) for window in windows]
    forests = [QuickForest(crops, len(table), factor, seed=seed) for seed in range(_FORESTS)]
    return 1.0 - float(np.mean([forest.dice for forest in forests]))


def _crop(
    source: TrainingSource,
    intensity: Intensity,
    table: ClassTable,
    window: Region,
    factor: Triple,
) -> Crop:
    encoded = encode(source.volume.read(window), intensity, factor=factor, features=FeatureConfig())
    labels = to_class_indices(source.annotations.read(window), table)
    origin = (window[0].start, window[1].start, window[2].start)
    return Crop(encoded.image, encoded.features, torch.from_numpy(labels), origin)
