"""Voxels with their features: painted ones, evenly over classes, and those beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from skimage.measure import label

from napari_densify.core.settings import Triple
from napari_densify.training.crops import Crop

__all__ = ["Samples", "sample_open", "sample_paint", "stroke_numbers"]

# Whole areas are cut into tiles of this edge, so that parts of them count as strokes.
_TILE = 64


@dataclass(frozen=True)
class Samples:
    """Some painted voxels of a crop.

    Attributes
    ----------
    rows
        ``(n, F)`` float32 features.
    codes
        ``(n,)`` class indices.
    place
        ``(3, n)`` positions (Z, Y, X) in the volume.
    """

    rows: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]


def sample_paint(
    crop: Crop,
    factor: Triple,
    classes: int,
    share: int,
    random: np.random.Generator,
    *,
    mirrored: bool = True,
) -> Samples:
    """Draw at most ``share`` voxels of each class.

    Parameters
    ----------
    crop
        Crop with features.
    factor
        Working cell (Z, Y, X) in voxels.
    mirrored
        Also draw from the reflected border, whose voxels are copies of others.

    Raises
    ------
    ValueError
        If the crop has no features.
    """
    if crop.features is None:
        raise ValueError("a forest needs features")
    labels = crop.labels.numpy()
    inner = (slice(None),) * 3 if mirrored else _inner(crop)
    known = np.full_like(labels, -1)
    known[inner] = labels[inner]
    picked = []
    for index in range(classes):
        found = np.flatnonzero(known == index)
        picked.append(random.choice(found, share, replace=False) if found.size > share else found)
    flat = np.concatenate(picked)
    place = np.stack(np.unravel_index(flat, labels.shape))
    codes = labels.ravel()[flat].astype(np.int64)
    rows = _features_at(crop.features, place, factor)
    return Samples(rows, codes, place + np.array(crop.origin)[:, None])


def sample_open(
    crop: Crop, factor: Triple, count: int, random: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draw features ``(n, F)`` of at most ``count`` unpainted voxels on painted slices.

    Raises
    ------
    ValueError
        If the crop has no features.
    """
    if crop.features is None:
        raise ValueError("a forest needs features")
    labels, inner = crop.labels.numpy(), _inner(crop)
    inside = np.zeros(labels.shape, bool)
    inside[inner] = labels[inner] < 0
    inside &= (labels >= 0).any((1, 2), keepdims=True)
    found = np.flatnonzero(inside)
    if found.size > count:
        found = random.choice(found, count, replace=False)
    return _features_at(crop.features, np.stack(np.unravel_index(found, labels.shape)), factor)


def stroke_numbers(labels: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    """Give numbers to strokes: what is connected on a slice, of one class, within one tile.

    Parameters
    ----------
    labels
        ``(Z, Y, X)`` class indices, -1 where not annotated.

    Returns
    -------
    ``(Z, Y, X)`` numbers from 1; 0 where not annotated.
    """
    numbers = np.zeros(labels.shape, np.int64)
    y, x = (np.arange(n) // _TILE for n in labels.shape[1:])
    tiles = y[:, None] * (x[-1] + 1) + x
    for z in np.flatnonzero((labels >= 0).any((1, 2))):
        painted = labels[z] >= 0
        strokes = label(labels[z] + 1, background=0, connectivity=2)
        own = strokes[painted] * (int(tiles.max()) + 1) + tiles[painted]
        numbers[z][painted] = np.unique(own, return_inverse=True)[1] + numbers.max() + 1
    return numbers


def _inner(crop: Crop) -> tuple[slice, ...]:
    """Leave out the reflected border of a crop."""
    return tuple(
        slice(before, n - after)
        for n, (before, after) in zip(crop.labels.shape, crop.border, strict=True)
    )


def _features_at(
    features: torch.Tensor, place: npt.NDArray[np.int64], factor: Triple
) -> npt.NDArray[np.float32]:
    """Rows ``(n, F)`` of the cells in which voxels ``(3, n)`` lie."""
    z, y, x = place // np.array(factor)[:, None]
    rows: npt.NDArray[np.float32] = features[:, z, y, x].T.float().numpy()
    return rows
