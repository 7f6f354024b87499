"""Slices between two painted ones, interpolated by signed distance: a proposal, never paint."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_densify.annotations.aids import Edit
from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError
from napari_densify.core.labels import UNLABELLED
from napari_densify.core.volume import ArrayLike

__all__ = ["interpolate_between", "neighbours_of"]


def neighbours_of(z: int, painted: Collection[int]) -> tuple[int, int]:
    """Painted slices next below and above a slice, with at least one open slice between them.

    Parameters
    ----------
    z
        Slice on screen; if it is painted itself, the gap above it is meant.
    painted
        Painted slices.

    Raises
    ------
    InputError
        If the slice does not lie between two painted ones.
    """
    below = max((p for p in painted if p <= z), default=None)
    above = min((p for p in painted if p > z), default=None)
    if below is None or above is None:
        raise InputError(
            f"slice {z} does not lie between two painted slices",
            where="interpolate",
            mend="paint one slice below and one above (held-out ones don't count), "
            "then go to a slice between them",
        )
    if above - below < 2:
        raise InputError(f"slices {below} and {above} have none between them", where="interpolate")
    return below, above


def interpolate_between(
    labels: ArrayLike, below: int, above: int, *, spacing: tuple[float, float] = (1.0, 1.0)
) -> Edit:
    """Propose labels for the open voxels between two painted slices.

    Each class has a signed distance in both slices, positive inside. Between them it
    changes linearly, and the class with the greatest one wins. What is painted at all
    is interpolated in the same way, and nothing is proposed outside of it: strokes
    give strokes, full slices give full slices.

    Parameters
    ----------
    labels
        ``(Z, Y, X)`` annotations.
    below, above
        Painted slices; those between them are filled.
    spacing
        Voxel size (Y, X), in any unit.

    References
    ----------
    Raya & Udupa, Shape-based interpolation of multidimensional objects, IEEE
    Transactions on Medical Imaging 9, 32 (1990).
    """
    region = _box(labels, below, above)
    ends = [np.asarray(labels[z, region[1], region[2]]) for z in (below, above)]
    codes = np.unique(np.stack(ends))
    codes = codes[codes != UNLABELLED]
    painted = [_signed(end != UNLABELLED, spacing) for end in ends]
    classes = [np.stack([_signed(end == code, spacing) for code in codes]) for end in ends]
    classes = _taper(*classes)
    block = np.asarray(labels[region])
    found = np.zeros_like(block)
    for row, z in enumerate(range(below + 1, above)):
        share = (z - below) / (above - below)
        inside = (1 - share) * painted[0] + share * painted[1] > 0
        winner = codes[((1 - share) * classes[0] + share * classes[1]).argmax(0)]
        found[row] = np.where(inside, winner, UNLABELLED)
    mask = (found != UNLABELLED) & (block == UNLABELLED)
    return Edit(region, mask, found[mask])


def _box(labels: ArrayLike, below: int, above: int) -> Region:
    """Open slices, as wide as the paint of both ends."""
    either = (np.asarray(labels[below]) != UNLABELLED) | (np.asarray(labels[above]) != UNLABELLED)
    rows, columns = np.flatnonzero(either.any(1)), np.flatnonzero(either.any(0))
    if not rows.size:
        raise InputError(f"slices {below} and {above} are not painted", where="interpolate")
    return (
        slice(below + 1, above),
        slice(int(rows[0]), int(rows[-1]) + 1),
        slice(int(columns[0]), int(columns[-1]) + 1),
    )


def _signed(mask: npt.NDArray[np.bool_], spacing: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Distance to the edge of a mask ``(Y, X)``, positive inside; -inf where all is empty."""
    if not mask.any():
        return np.full(mask.shape, -np.inf, np.float32)
    padded = np.pad(mask, 1)  # beyond the box nothing is painted
    inside = ndimage.distance_transform_edt(padded, sampling=spacing)
    outside = ndimage.distance_transform_edt(~padded, sampling=spacing)
    signed: npt.NDArray[np.float32] = (inside - outside)[1:-1, 1:-1].astype(np.float32)
    return signed


def _taper(
    one: npt.NDArray[np.float32], two: npt.NDArray[np.float32]
) -> list[npt.NDArray[np.float32]]:
    """Let a class that one end lacks shrink to nothing half way, wherever it is widest."""
    out = [one.copy(), two.copy()]
    for k in range(len(one)):
        for here, other in ((0, 1), (1, 0)):
            if not np.isfinite(out[here][k]).any():
                out[here][k] = -out[other][k].max()
    return out
