"""Painting by more than strokes: each aid says which voxels it would change to what.

Nothing is written here. An :class:`Edit` goes to ``Labels.data_setitem(edit.indices,
edit.values)``, which makes it one step of the layer's undo history, or is applied to
any array with :meth:`Edit.apply`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_densify.core.blocks import Region, region_shape
from napari_densify.core.errors import InputError
from napari_densify.core.labels import UNLABELLED
from napari_densify.core.volume import ArrayLike

__all__ = [
    "Edit",
    "Point",
    "copy_object",
    "copy_prediction",
    "erase",
    "fill_unlabelled",
    "slice_region",
    "stroke_box",
    "without_slices",
]

Point = tuple[float, float, float]
"""Place in a volume, in voxels (Z, Y, X); its fraction counts."""


@dataclass(frozen=True)
class Edit:
    """A change of label voxels.

    Attributes
    ----------
    region
        Box that holds all of them.
    mask
        ``(z, y, x)`` bool in that box: which ones change.
    values
        New labels of those, in the order of ``mask``.
    """

    region: Region
    mask: npt.NDArray[np.bool_]
    values: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def indices(self) -> tuple[npt.NDArray[np.intp], ...]:
        """Coordinates (Z, Y, X) of the voxels that change, for fancy indexing."""
        found = np.nonzero(self.mask)
        return tuple(i + s.start for i, s in zip(found, self.region, strict=True))

    @property
    def slices(self) -> frozenset[int]:
        """Z slices that it changes."""
        start = self.region[0].start
        return frozenset(start + int(z) for z in np.flatnonzero(self.mask.any(axis=(1, 2))))

    def apply(self, labels: Any) -> Edit:
        """Change an array and return the edit that undoes it."""
        block = np.array(labels[self.region])
        old = block[self.mask]
        block[self.mask] = self.values
        labels[self.region] = block
        return Edit(self.region, self.mask, old)


def slice_region(shape: tuple[int, int, int], index: int, axis: int = 0) -> Region:
    """Region of one slice of a volume.

    Raises
    ------
    InputError
        If there is no such slice.
    """
    if not 0 <= index < shape[axis]:
        raise InputError(f"there is no slice {index} (0..{shape[axis] - 1})", where="ZYX"[axis])
    box = [slice(0, n) for n in shape]
    box[axis] = slice(index, index + 1)
    return box[0], box[1], box[2]


def without_slices(edit: Edit, slices: Collection[int]) -> Edit:
    """Leave out what an edit would change on some Z slices.

    Parameters
    ----------
    edit
        Change to cut down.
    slices
        Z slices that stay as they are, for example held-out ones.
    """
    z = np.arange(edit.region[0].start, edit.region[0].stop)
    mask = edit.mask & ~np.isin(z, list(slices))[:, None, None]
    return Edit(edit.region, mask, edit.values[mask[edit.mask]])


def stroke_box(
    region: Region, start: Point, end: Point, radii: tuple[float, float, float]
) -> tuple[Region, npt.NDArray[np.bool_]]:
    """Part of a slice that a round brush covers on its way from one point to another.

    Parameters
    ----------
    region
        Slice (:func:`slice_region`), or a box of it.
    start, end
        Ends of the way, in voxels (Z, Y, X).
    radii
        Radius of the brush along each axis, in voxels.

    Returns
    -------
    Box within the region, and which of its voxels are covered.
    """
    sides = []
    for a, b, r, s in zip(start, end, radii, region, strict=True):
        low = min(s.stop, max(s.start, math.floor(min(a, b) - r)))
        sides.append(slice(low, max(low, min(s.stop, math.ceil(max(a, b) + r) + 1))))
    box: Region = (sides[0], sides[1], sides[2])
    flat = [1.0 if s.stop - s.start > 1 else 0.0 for s in region]  # across the slice it is flat
    unit = [f / max(r, 0.5) for f, r in zip(flat, radii, strict=True)]
    grid = np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij", sparse=True)
    away = [(g - a) * u for g, a, u in zip(grid, start, unit, strict=True)]
    way = [(b - a) * u for a, b, u in zip(start, end, unit, strict=True)]
    length = sum(w * w for w in way)
    along = sum(v * w for v, w in zip(away, way, strict=True)) / (length or 1.0)
    along = np.clip(along, 0.0, 1.0)
    distance = sum((v - along * w) ** 2 for v, w in zip(away, way, strict=True))
    return box, np.broadcast_to(distance <= 1.0, region_shape(box))


def fill_unlabelled(labels: ArrayLike, region: Region, value: int) -> Edit:
    """Give a class to every voxel of a region that nobody annotated.

    Parameters
    ----------
    labels
        ``(Z, Y, X)`` annotations.
    region
        For example :func:`slice_region`: "the rest of this slice is background".
    value
        Class code.
    """
    block = np.asarray(labels[region])
    return _edit(region, block == UNLABELLED, np.full(block.shape, value, block.dtype))


def erase(labels: ArrayLike, region: Region, classes: Collection[int] = ()) -> Edit:
    """Make annotated voxels of a region *not annotated* again.

    Parameters
    ----------
    classes
        Only these class codes; all if empty.
    """
    block = np.asarray(labels[region])
    gone = np.isin(block, list(classes)) if classes else block != UNLABELLED
    return _edit(region, gone & (block != UNLABELLED), np.zeros_like(block))


def copy_prediction(
    labels: ArrayLike,
    prediction: ArrayLike,
    region: Region,
    *,
    classes: Collection[int] = (),
    overwrite: bool = False,
    where: Callable[[npt.NDArray[Any]], npt.NDArray[np.bool_]] | None = None,
) -> Edit:
    """Take a piece of a prediction over into the annotations.

    Parameters
    ----------
    labels, prediction
        ``(Z, Y, X)``, with the same codes.
    region
        What is copied: a whole slice (:func:`slice_region`), or any box.
    classes
        Only voxels predicted as these codes; all if empty.
    overwrite
        Also where something is painted already; by default paint wins.
    where
        Further condition on the predicted block, for example a mask drawn by hand.

    Raises
    ------
    InputError
        If the prediction has another shape than the annotations.
    """
    _require_same_shape(labels, prediction)
    block, predicted = np.asarray(labels[region]), np.asarray(prediction[region])
    mask = (predicted != UNLABELLED) & (predicted != block)
    if not overwrite:
        mask &= block == UNLABELLED
    if classes:
        mask &= np.isin(predicted, list(classes))
    if where is not None:
        mask &= where(predicted)
    return _edit(region, mask, predicted.astype(block.dtype))


def copy_object(
    labels: ArrayLike,
    prediction: ArrayLike,
    region: Region,
    seed: tuple[int, int, int],
    *,
    overwrite: bool = False,
) -> Edit:
    """Take the connected piece of a prediction that a voxel lies in.

    Parameters
    ----------
    region
        Where to look: one slice gives the piece within that slice, a box the piece
        in 3D, as far as it lies in the box.
    seed
        Voxel (Z, Y, X) that was clicked on.

    Raises
    ------
    InputError
        If nothing is predicted there, or the seed is outside the region.
    """
    local = tuple(p - s.start for p, s in zip(seed, region, strict=True))
    if not all(0 <= p < n for p, n in zip(local, region_shape(region), strict=True)):
        raise InputError(f"voxel {seed} is outside the region", where="copy object")
    value = int(np.asarray(prediction[seed]))
    if value == UNLABELLED:
        raise InputError(
            "nothing is predicted here", where="copy object", mend="click on a predicted object"
        )

    def connected(predicted: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        pieces, _ = ndimage.label(predicted == value)
        piece: npt.NDArray[np.bool_] = pieces == pieces[local]
        return piece

    return copy_prediction(labels, prediction, region, overwrite=overwrite, where=connected)


def _edit(region: Region, mask: npt.NDArray[np.bool_], values: npt.NDArray[Any]) -> Edit:
    """Edit of a block, cut down to the box that changes."""
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    if not boxes:
        return Edit(region, np.zeros(region_shape(region), bool), values[mask])
    z, y, x = (
        slice(s.start + r.start, s.stop + r.start) for s, r in zip(boxes[0], region, strict=True)
    )
    return Edit((z, y, x), mask[boxes[0]], values[mask])


def _require_same_shape(labels: ArrayLike, prediction: ArrayLike) -> None:
    if tuple(labels.shape) != tuple(prediction.shape):
        raise InputError(
            f"the prediction has shape {tuple(prediction.shape)}, "
            f"the annotations have {tuple(labels.shape)}",
            where="copy prediction",
            mend="predict the volume that is being painted on",
        )
