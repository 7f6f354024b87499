"""Painted voxels with their features, evenly over classes: what a forest is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_densify.core.settings import Triple
from napari_densify.training.crops import Crop

__all__ = ["Samples", "sample_paint"]


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
    inner = tuple(
        slice(None) if mirrored else slice(before, n - after)
        for n, (before, after) in zip(labels.shape, crop.border, strict=True)
    )
    known = np.full_like(labels, -1)
    known[inner] = labels[inner]
    picked = []
    for index in range(classes):
        found = np.flatnonzero(known == index)
        picked.append(random.choice(found, share, replace=False) if found.size > share else found)
    flat = np.concatenate(picked)
    place = np.stack(np.unravel_index(flat, labels.shape))
    z, y, x = place // np.array(factor)[:, None]
    rows = crop.features[:, z, y, x].T.float().numpy()
    codes = labels.ravel()[flat].astype(np.int64)
    return Samples(rows, codes, place + np.array(crop.origin)[:, None])
