"""Voxels with their features: painted ones, evenly over classes, and those beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from skimage.measure import label

from napari_densify.core.settings import Triple
from napari_densify.training.crops import Crop

__all__ = [
    "Samples",
    "count_codes",
    "painted_slices",
    "sample_open",
    "sample_paint",
    "stroke_numbers",
]

# Edge of the tiles that areas larger than one are cut into.
_TILE = 64
# Voxels that no volume has along an axis.
_FAR = 1 << 20


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
    rows = _features_at(crop, place, factor)
    return Samples(rows, codes, place + np.array(crop.origin)[:, None])


def sample_open(
    crop: Crop, factor: Triple, count: int, random: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draw features ``(n, F)`` of about ``count`` unpainted voxels on painted slices.

    Raises
    ------
    ValueError
        If the crop has no features.
    """
    labels, (_, y, x) = crop.labels.numpy(), _inner(crop)
    slices = painted_slices(crop)
    places = [np.zeros((3, 0), np.int64)]
    for z in slices:
        found = np.flatnonzero(labels[z, y, x] < 0)
        share = -(-count // len(slices))
        some = random.choice(found, share, replace=False) if found.size > share else found
        rows, columns = np.divmod(some, x.stop - x.start)
        places.append(np.stack([np.full(len(some), z), rows + y.start, columns + x.start]))
    return _features_at(crop, np.concatenate(places, 1), factor)


def painted_slices(crop: Crop) -> list[int]:
    """Z slices of a crop, without its reflected border, that hold paint."""
    z, y, x = _inner(crop)
    painted = (crop.labels[:, y, x] >= 0).flatten(1).any(1)
    found: list[int] = torch.nonzero(painted).flatten().tolist()
    return [n for n in found if z.start <= n < z.stop]


def count_codes(crop: Crop, classes: int) -> npt.NDArray[np.int64]:
    """Voxels ``(K + 1,)`` of each class on painted slices; the last are unpainted ones."""
    _, y, x = _inner(crop)
    labels = crop.labels[painted_slices(crop), y, x]
    found: npt.NDArray[np.int64] = torch.bincount(
        torch.where(labels < 0, classes, labels).flatten().long(), minlength=classes + 1
    ).numpy()
    return found


def stroke_numbers(
    labels: npt.NDArray[np.int16], origin: Triple = (0, 0, 0)
) -> npt.NDArray[np.int64]:
    """Give numbers to strokes: what is connected on a slice and of one class.

    Large ones are cut into tiles: parts of an area tell about each other as strokes do.

    Parameters
    ----------
    labels
        ``(Z, Y, X)`` class indices, -1 where not annotated.
    origin
        Position of voxel 0 in the volume. The same stroke has the same number in every
        crop that holds all of it.

    Returns
    -------
    ``(Z, Y, X)`` numbers from 1; 0 where not annotated.
    """
    numbers = np.zeros(labels.shape, np.int64)
    top, left = (np.arange(n) + o for n, o in zip(labels.shape[1:], origin[1:], strict=True))
    tiles = (top // _TILE)[:, None] * _FAR + left // _TILE
    for z in np.flatnonzero((labels >= 0).any((1, 2))):
        painted = labels[z] >= 0
        strokes = label(labels[z] + 1, background=0, connectivity=2)
        large = np.bincount(strokes.ravel()) > _TILE**2
        parts = np.where(large[strokes], tiles, 0)[painted]
        _, first, which = np.unique(
            np.stack([strokes[painted], parts]), axis=1, return_index=True, return_inverse=True
        )
        y, x = (axis[first] for axis in np.nonzero(painted))
        place = ((z + origin[0]) * _FAR + y + origin[1] + _FAR // 2) * _FAR + x + origin[2]
        numbers[z][painted] = place[which.ravel()] + _FAR // 2
    return numbers


def _inner(crop: Crop) -> tuple[slice, ...]:
    """Leave out the reflected border of a crop."""
    return tuple(
        slice(before, n - after)
        for n, (before, after) in zip(crop.labels.shape, crop.border, strict=True)
    )


def _features_at(
    crop: Crop, place: npt.NDArray[np.int64], factor: Triple
) -> npt.NDArray[np.float32]:
    """Rows ``(n, F)`` of the cells in which voxels ``(3, n)`` lie."""
    if crop.features is None:
        raise ValueError("a forest needs features")
    z, y, x = place // np.array(factor)[:, None]
    rows: npt.NDArray[np.float32] = crop.features[:, z, y, x].T.float().numpy()
    return rows
