"""The border weight map of the U-Net paper: more weight where objects nearly touch.

References
----------
Ronneberger et al. 2015, arXiv:1505.04597, equation 2:
``w = w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2))`` with the distances ``d1`` and
``d2`` to the nearest and second nearest object.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

__all__ = ["border_weight_map", "border_weights"]

# Beyond this many sigma the weight is below 1e-5 of w0.
_REACH = 4.8


def border_weights(target: Tensor, *, background: int, w0: float, sigma: float) -> Tensor:
    """Border weights of a batch, slice by slice.

    Parameters
    ----------
    target
        ``(N, Z, Y, X)`` class indices, -1 where not annotated. The objects are the
        connected annotated areas of any class but ``background``.
    background
        Class between the objects; only its voxels get a border weight.
    w0, sigma
        Height, and width in pixels, of the weight.

    Returns
    -------
    ``(N, Z, Y, X)`` float32 on the device of ``target``: the second term of the sum.
    """
    labels = target.cpu().numpy()
    result = np.zeros(labels.shape, np.float32)
    for place in np.ndindex(labels.shape[:2]):
        plane = labels[place]
        if not (plane == background).any():
            continue
        objects = _objects(plane, background)
        weight = border_weight_map(objects, w0=w0, sigma=sigma)
        result[place] = np.where(plane == background, weight, 0)
    return torch.from_numpy(result).to(target.device)


def _objects(plane: npt.NDArray[Any], background: int) -> npt.NDArray[np.int32]:
    objects = np.zeros(plane.shape, np.int32)
    for value in np.unique(plane[(plane >= 0) & (plane != background)]):
        found, _ = ndimage.label(plane == value)
        objects[found > 0] = found[found > 0] + objects.max()
    return objects


def border_weight_map(
    objects: npt.NDArray[np.int32], *, w0: float, sigma: float
) -> npt.NDArray[np.float32]:
    """Border weight of every pixel that belongs to no object.

    Parameters
    ----------
    objects
        Object ids of a slice ``(Y, X)`` or volume; 0 for none.
    w0, sigma
        Height, and width in pixels, of the weight.

    Returns
    -------
    float32 array of the same shape; 0 inside objects and where fewer than two
    objects are near.
    """
    reach = int(np.ceil(_REACH * sigma))
    nearest = np.full(objects.shape, np.inf, np.float32)
    second = nearest.copy()
    for number, box in enumerate(ndimage.find_objects(objects), start=1):
        if box is None:
            continue
        near = tuple(slice(max(s.start - reach, 0), s.stop + reach) for s in box)
        distance = ndimage.distance_transform_edt(objects[near] != number).astype(np.float32)
        second[near] = np.minimum(second[near], np.maximum(nearest[near], distance))
        nearest[near] = np.minimum(nearest[near], distance)
    weight = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    result: npt.NDArray[np.float32] = np.where(objects == 0, weight, 0).astype(np.float32)
    return result
