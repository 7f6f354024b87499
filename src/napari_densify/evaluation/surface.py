"""Distances between the surfaces of a predicted and a true mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_densify.core.base import Settings
from napari_densify.core.volume import Spacing

__all__ = ["SurfaceDistances", "surface_distances"]


class SurfaceDistances(Settings):
    """Distances in nm, over both directions; None if a mask is empty."""

    mean: float | None
    hausdorff_95: float | None
    hausdorff: float | None


def surface_distances(
    prediction: npt.NDArray[np.bool_],
    truth: npt.NDArray[np.bool_],
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
) -> SurfaceDistances:
    """Measure how far two surfaces lie apart.

    Parameters
    ----------
    prediction, truth
        Masks ``(Z, Y, X)``; both are held in memory.
    spacing
        Voxel size (Z, Y, X) in nm.

    Returns
    -------
    Mean symmetric surface distance, its 95th percentile (the larger of the two
    directions) and the Hausdorff distance.
    """
    first, second = _surface(prediction), _surface(truth)
    if not (first.any() and second.any()):
        return SurfaceDistances(mean=None, hausdorff_95=None, hausdorff=None)
    there = _distances(first, second, spacing)
    back = _distances(second, first, spacing)
    return SurfaceDistances(
        mean=float(np.concatenate([there, back]).mean()),
        hausdorff_95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        hausdorff=float(max(there.max(), back.max())),
    )


def _surface(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    # A single slice has no neighbours in Z: eroding it in 3D would leave nothing inside.
    size = tuple(3 if n > 1 else 1 for n in mask.shape)
    cross = ndimage.generate_binary_structure(3, 1)
    structure = cross[tuple(slice(None) if n == 3 else slice(1, 2) for n in size)]
    inner: npt.NDArray[np.bool_] = ndimage.binary_erosion(mask, structure, border_value=1)
    return mask & ~inner


def _distances(
    points: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_], spacing: Spacing
) -> npt.NDArray[Any]:
    distance: npt.NDArray[Any] = ndimage.distance_transform_edt(~others, sampling=spacing)
    return distance[points]
