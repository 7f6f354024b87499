"""Which class each region (basin, superpixel, closed contour) stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.classical.task import Image, Labels, Task

__all__ = ["name_regions"]


def name_regions(task: Task, regions: npt.NDArray[Any], *images: Image) -> Labels:
    """Give each region the class of most of its paint, else of the regions most like it.

    A region without paint is compared, by mean and deviation of each image within
    it, with the painted regions of each class (nearest class mean, with each
    class's own spread: a Gaussian classifier with a diagonal covariance). Without
    any paint, regions brighter than Otsu's threshold get the last class.

    Parameters
    ----------
    task
        Paint and classes.
    regions
        Region numbers ``(Z, Y, X)``, any non-negative integers.
    images
        Images ``(Z, Y, X)`` that tell regions apart.

    Returns
    -------
    Dense class codes.
    """
    numbers, flat = np.unique(regions, return_inverse=True)
    flat = flat.ravel()
    features = _describe(flat, len(numbers), images)
    if task.paint is None or not task.paint.slices:
        codes = _by_brightness(task, features)
    else:
        codes = _by_paint(task, flat, features)
    return codes[flat].reshape(regions.shape).astype(task.dtype)


def _describe(
    flat: npt.NDArray[Any], count: int, images: tuple[Image, ...]
) -> npt.NDArray[np.float64]:
    """Mean and deviation of each image in each region, ``(R, 2 * images)``."""
    size = np.maximum(np.bincount(flat, minlength=count), 1)
    columns = []
    for image in images:
        values = image.ravel().astype(np.float64)
        mean = np.bincount(flat, values, minlength=count) / size
        square = np.bincount(flat, values**2, minlength=count) / size
        columns += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    return np.stack(columns, axis=1)


def _by_brightness(task: Task, features: npt.NDArray[Any]) -> npt.NDArray[Any]:
    from skimage.filters import threshold_otsu

    means = features[:, 0]
    bright = means > (threshold_otsu(means) if np.ptp(means) > 0 else means[0])
    return np.where(bright, task.classes[-1], task.classes[0])


def _by_paint(
    task: Task, flat: npt.NDArray[Any], features: npt.NDArray[Any]
) -> npt.NDArray[np.int64]:
    seeds = task.seeds().ravel()
    painted = np.flatnonzero(seeds)
    table = np.stack(
        [
            np.bincount(flat[painted[seeds[painted] == c]], minlength=len(features))
            for c in task.classes
        ],
        axis=1,
    )
    known = table.sum(1) > 0
    guess = _nearest_class(features, table)
    choice = np.where(known, table.argmax(1), guess)
    codes: npt.NDArray[np.int64] = np.asarray(task.classes, np.int64)[choice]
    return codes


def _nearest_class(
    features: npt.NDArray[Any], table: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Class index of the greatest Gaussian likelihood, with equal priors."""
    floor = 0.05 * features.std(0) + 1e-9
    scores = []
    for weights in table.T.astype(float):
        if weights.sum() == 0:
            scores.append(np.full(len(features), -np.inf))
            continue
        mean = np.average(features, axis=0, weights=weights)
        spread = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weights)) + floor
        scores.append(-((((features - mean) / spread) ** 2) / 2 + np.log(spread)).sum(1))
    best: npt.NDArray[np.int64] = np.stack(scores, axis=1).argmax(1)
    return best
