"""Which class each region (basin, superpixel, closed contour) stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.classical.task import Image, Labels, Task

__all__ = ["RegionNames", "classify_regions", "describe_regions"]

Table = npt.NDArray[Any]


def describe_regions(regions: npt.NDArray[Any], images: Sequence[Image]) -> Table:
    """Mean and deviation of each image in each region, ``(R, 2 * images)``.

    Parameters
    ----------
    regions
        Region numbers from 0 to R - 1, any shape.
    images
        Images of the same shape.
    """
    flat = regions.ravel()
    size = np.maximum(np.bincount(flat), 1)
    columns = []
    for image in images:
        values = image.ravel().astype(np.float64)
        mean = np.bincount(flat, values) / size
        square = np.bincount(flat, values**2) / size
        columns += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    return np.stack(columns, axis=1)


class RegionNames:
    """Classes of regions: of their own paint, else of the painted regions most like them.

    Likeness is judged by mean and deviation of images within a region: the greatest
    likelihood under one Gaussian for each class, with a diagonal covariance and
    equal priors. Without any paint, regions brighter than Otsu's threshold of the
    regions' means get the last class.

    Parameters
    ----------
    classes
        Class codes.
    """

    def __init__(self, classes: Sequence[int]) -> None:
        self.classes = np.asarray(classes, np.int64)
        self._features: list[Table] = []
        self._counts: list[Table] = []

    def learn(self, regions: Table, images: Sequence[Image], paint: Labels) -> None:
        """Remember the painted regions of an image.

        Parameters
        ----------
        regions
            Region numbers from 0.
        images
            Images of the same shape.
        paint
            Codes, 0 where not annotated.
        """
        self.add(describe_regions(regions, images), self._count(regions, paint))

    def add(self, features: Table, counts: Table) -> None:
        """Remember regions by features ``(R, F)`` and painted voxels of each class ``(R, K)``."""
        painted = counts.sum(1) > 0
        self._features.append(features[painted])
        self._counts.append(counts[painted])

    def _count(self, regions: Table, paint: Labels) -> Table:
        numbers = regions[paint != 0]
        codes = paint[paint != 0]
        size = int(regions.max(initial=0)) + 1
        return np.stack(
            [np.bincount(numbers[codes == c], minlength=size) for c in self.classes], axis=1
        )

    def name(self, features: Table, regions: Table, paint: Labels | None) -> npt.NDArray[np.int64]:
        """Class code of each region.

        Parameters
        ----------
        features
            What :func:`describe_regions` says of the regions.
        regions, paint
            Regions with paint of their own follow it.
        """
        guess = self._guess(features)
        if paint is not None:
            counts = self._count(regions, paint)
            guess = np.where(counts.sum(1) > 0, counts.argmax(1), guess)
        codes: npt.NDArray[np.int64] = self.classes[guess]
        return codes

    def _guess(self, features: Table) -> Table:
        if not self._features or not sum(len(f) for f in self._features):
            return self._by_brightness(features[:, 0])
        known, counts = np.concatenate(self._features), np.concatenate(self._counts)
        floor = 0.05 * known.std(0) + 1e-9
        scores = [_likelihood(features, known, w, floor) for w in counts.T.astype(float)]
        best: Table = np.stack(scores, axis=1).argmax(1)
        return best

    def _by_brightness(self, means: Table) -> Table:
        from skimage.filters import threshold_otsu

        bright = means > (threshold_otsu(means) if np.ptp(means) > 0 else means[0])
        return np.where(bright, len(self.classes) - 1, 0)


def _likelihood(features: Table, known: Table, weights: Table, floor: Table) -> Table:
    if weights.sum() == 0:
        return np.full(len(features), -np.inf)
    mean = np.average(known, axis=0, weights=weights)
    spread = np.sqrt(np.average((known - mean) ** 2, axis=0, weights=weights)) + floor
    result: Table = -((((features - mean) / spread) ** 2) / 2 + np.log(spread)).sum(1)
    return result


def classify_regions(task: Task, regions: npt.NDArray[Any], *images: Image) -> tuple[Table, Labels]:
    """Name the regions of a whole volume, see :class:`RegionNames`.

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
    Regions numbered from 0 without gaps, ``(Z, Y, X)``, and the class code of each, ``(R,)``.
    """
    numbers = np.unique(regions, return_inverse=True)[1].reshape(regions.shape)
    names = RegionNames(task.classes)
    paint = None
    if task.paint is not None and task.paint.slices:
        paint = task.seeds()
        names.learn(numbers, images, paint)
    codes = names.name(describe_regions(numbers, images), numbers, paint)
    return numbers, codes.astype(task.dtype)
