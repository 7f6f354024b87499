"""Hysteresis threshold: weak voxels count where they touch strong ones."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from skimage import filters

from napari_densify.classical.grouping import assign_groups
from napari_densify.classical.task import Image, Labels, Parameters, Task
from napari_densify.core.errors import InputError

__all__ = ["SEARCH", "HysteresisParameters", "solve"]

SEARCH = {"dark": (False, True), "sigma": (0.0, 1.0, 2.0, 4.0), "spread": (0.5, 1.0)}


class HysteresisParameters(Parameters):
    """Parameters of the hysteresis threshold."""

    low: float | None = Field(
        None,
        title="Weak threshold",
        description="None: the lower of the two that multi-Otsu finds",
        json_schema_extra={"unit": "intensity"},
    )
    high: float | None = Field(
        None,
        title="Strong threshold",
        description="None: the upper of the two that multi-Otsu finds",
        json_schema_extra={"unit": "intensity"},
    )
    spread: float = Field(
        1.0,
        ge=0,
        le=3,
        title="Spread",
        description="Widens or narrows the gap between thresholds that were found",
    )
    dark: bool = Field(False, title="Dark objects", description="Look for dark voxels, not bright")


def solve(task: Task, parameters: HysteresisParameters) -> Labels:
    """Take voxels above the strong threshold, and weak ones connected with them in 3D."""
    image = task.smooth(task.region, parameters)
    low, high = _thresholds(image, parameters)
    if parameters.dark:
        image, low, high = -image, -high, -low
    inside = filters.apply_hysteresis_threshold(image, low, high).astype(np.uint8)
    classes = task.classes
    if task.paint is None or not task.paint.slices:
        codes = np.asarray([classes[0], classes[-1]])
    else:
        table = np.zeros((2, len(classes)), np.int64)
        for box in task.paint.boxes():
            labels = task.paint.read(box)
            for k, value in enumerate(classes):
                table[:, k] += np.bincount(inside[box][labels == value], minlength=2)
        codes = assign_groups(table, classes)
    result: Labels = codes.astype(task.dtype)[inside]
    return result


def _thresholds(image: Image, parameters: HysteresisParameters) -> tuple[float, float]:
    low, high = parameters.low, parameters.high
    if low is None or high is None:
        if image.min() == image.max():
            return float(image.min()), float(image.max())
        first, second = (float(t) for t in filters.threshold_multiotsu(image, classes=3))
        middle, half = (first + second) / 2, parameters.spread * (second - first) / 2
        low = middle - half if low is None else low
        high = middle + half if high is None else high
    if low > high:
        raise InputError(
            f"the weak threshold {low:g} lies above the strong one, {high:g}",
            where="hysteresis",
            mend="give low and high in ascending order",
        )
    return low, high
