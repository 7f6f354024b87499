"""Global thresholds: by hand, from the histogram, or those that best part the paint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from skimage import filters

from napari_densify.classical.grouping import assign_groups, group_rule, mean_dice
from napari_densify.classical.task import Parameters, Rule, Task
from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError

__all__ = ["SEARCH", "ThresholdParameters", "find_thresholds", "fit"]

Algorithm = Literal[
    "auto",
    "manual",
    "otsu",
    "multi-otsu",
    "li",
    "yen",
    "triangle",
    "isodata",
    "minimum",
    "mean",
    "paint",
]

_LEVELS = 256

SEARCH = {
    "algorithm": ("auto", "paint", "li", "yen", "triangle", "isodata", "mean"),
    "sigma": (0.0, 1.0, 2.0, 4.0),
}


class ThresholdParameters(Parameters):
    """Parameters of the global threshold."""

    algorithm: Algorithm = Field(
        "auto",
        title="Algorithm",
        description="How the thresholds are found; auto: Otsu for two classes, multi-Otsu for "
        "more; paint: those that part the painted classes best",
    )
    values: tuple[float, ...] = Field(
        (),
        title="Thresholds",
        description="Ascending intensities, for the manual algorithm",
        json_schema_extra={"unit": "intensity"},
    )
    shift: float = Field(
        0.0,
        title="Shift",
        description="Added to every threshold that was found",
        json_schema_extra={"unit": "intensity"},
    )
    invert: bool = Field(
        False,
        title="Dark foreground",
        description="Without paint: the darkest voxels get the last class",
    )


_LIBRARY: Mapping[str, Callable[[npt.NDArray[Any]], float]] = {
    "otsu": filters.threshold_otsu,
    "li": filters.threshold_li,
    "yen": filters.threshold_yen,
    "triangle": filters.threshold_triangle,
    "isodata": filters.threshold_isodata,
    "minimum": filters.threshold_minimum,
    "mean": filters.threshold_mean,
}


def find_thresholds(
    values: npt.NDArray[Any], *, algorithm: Algorithm = "auto", classes: int = 2
) -> tuple[float, ...]:
    """Find thresholds from intensities alone, with scikit-image.

    Parameters
    ----------
    values
        Intensities, any shape.
    algorithm
        Any but ``manual`` and ``paint``.
    classes
        Number of classes, for ``multi-otsu`` and ``auto``.

    Returns
    -------
    Ascending thresholds; a voxel above one belongs to the brighter side.

    Raises
    ------
    InputError
        If the histogram has not the form that the algorithm needs.
    """
    if algorithm == "auto":
        algorithm = "otsu" if classes == 2 else "multi-otsu"
    if values.min() == values.max():
        return (float(values.min()),)
    try:
        if algorithm == "multi-otsu":
            # The search visits every combination of bins: fewer bins for more classes.
            bins = {2: 256, 3: 256, 4: 128}.get(classes, 48)
            found = filters.threshold_multiotsu(values, classes=classes, nbins=bins)
            return tuple(float(t) for t in found)
        return (float(_LIBRARY[algorithm](values)),)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"no {algorithm} threshold exists for this histogram ({error})",
            where="threshold",
            mend="choose another algorithm, such as otsu or li",
        ) from None


def fit(task: Task, parameters: ThresholdParameters) -> Rule:
    """Fix thresholds on the whole volume; the labels of a voxel then depend on it alone."""
    thresholds = _resolve(task, parameters)
    edges = np.asarray(thresholds, np.float32) + np.float32(parameters.shift)

    def groups(region: Region) -> npt.NDArray[Any]:
        image = task.smooth(region, parameters)
        numbers = np.zeros(image.shape, np.uint8)
        for edge in edges:
            numbers += image > edge
        return numbers

    return group_rule(task, groups, len(edges) + 1, invert=parameters.invert)


def _resolve(task: Task, parameters: ThresholdParameters) -> Sequence[float]:
    if parameters.algorithm == "manual":
        if not parameters.values:
            raise InputError(
                "the manual algorithm needs thresholds",
                where="values",
                mend="give one or more ascending intensities",
            )
        return sorted(parameters.values)
    if parameters.algorithm == "paint":
        return _part_paint(task, parameters)
    values = task.sample(parameters)
    return find_thresholds(values, algorithm=parameters.algorithm, classes=len(task.classes))


def _part_paint(task: Task, parameters: ThresholdParameters) -> list[float]:
    """Thresholds that give the greatest mean Dice on the paint, moved one at a time."""
    levels, table = _intensity_table(task, parameters)
    count = max(len(task.classes) - 1, 1)
    cuts = [round((i + 1) * len(levels) / (count + 1)) for i in range(count)]
    for _ in range(4):
        before = list(cuts)
        for i in range(count):
            low = cuts[i - 1] if i else 0
            high = cuts[i + 1] if i + 1 < count else len(levels)
            options = range(low, high + 1)
            cuts[i] = max(options, key=lambda c: _quality(table, [*cuts[:i], c, *cuts[i + 1 :]]))
        if cuts == before:
            break
    return [float(levels[min(c, len(levels) - 1)]) for c in cuts]


def _intensity_table(
    task: Task, parameters: ThresholdParameters
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Quantile levels of the painted intensities, and painted voxels between them by class."""
    paint = task.require_paint()
    intensities, labels = [], []
    for box in task.boxes():
        codes = paint.read(box)
        intensities.append(task.smooth(box, parameters)[codes > 0])
        labels.append(codes[codes > 0])
    values, codes = np.concatenate(intensities), np.concatenate(labels)
    levels = np.unique(np.quantile(values, np.linspace(0, 1, _LEVELS)))
    bins = np.searchsorted(levels, values, side="left")
    table = np.stack(
        [np.bincount(bins[codes == c], minlength=len(levels) + 1) for c in task.classes], axis=1
    )
    return levels, table


def _quality(table: npt.NDArray[np.int64], cuts: Sequence[int]) -> float:
    bounds = [0, *(c + 1 for c in cuts), len(table)]
    merged = np.stack([table[a:b].sum(0) for a, b in pairwise(bounds)])
    choice = assign_groups(merged, range(table.shape[1]))
    return mean_dice(merged.astype(float), choice)
