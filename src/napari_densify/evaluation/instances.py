"""Scores of objects: which were found, and how well they are outlined."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from napari_densify.core.errors import InputError
from napari_densify.evaluation._slices import Labels, Slices, require_same_shape
from napari_densify.evaluation.contingency import Contingency
from napari_densify.evaluation.results import InstanceScores, number

__all__ = ["match_objects", "score_instances"]


def score_instances(
    prediction: Labels,
    truth: Labels,
    *,
    exclude: Labels | None = None,
    mask: Labels | None = None,
) -> InstanceScores:
    """Score object ids against true objects, reading both slice by slice.

    Parameters
    ----------
    prediction, truth
        Object ids ``(Z, Y, X)``; 0 is no object.
    exclude
        Annotations that were trained on: never scored where not 0.
    mask
        Scored only where not 0.

    Returns
    -------
    F1 at IoU 0.5 and 0.75 and panoptic quality (Kirillov et al. 2019); adapted Rand
    error and variation of information over the voxels of true objects.

    Raises
    ------
    InputError
        If shapes differ, or neither array holds an object.
    """
    predicted, true = Slices(prediction, "prediction"), Slices(truth, "truth")
    painted = None if exclude is None else Slices(exclude, "annotations")
    within = None if mask is None else Slices(mask, "mask")
    require_same_shape(predicted, true, painted, within)
    overlap = Contingency()
    for z in range(true.shape[0]):
        keep = np.ones(true.shape[1:], bool)
        if painted is not None:
            keep &= painted[z] == 0
        if within is not None:
            keep &= within[z] != 0
        if keep.any():
            overlap.add(true[z][keep], predicted[z][keep])
    return _score(overlap)


def _score(overlap: Contingency) -> InstanceScores:
    true, predicted, counts = overlap.pairs()
    objects, found = _count(true), _count(predicted)
    if not (objects or found):
        raise InputError("neither truth nor prediction holds an object to score", where="truth")
    ious, precision, recall, f1_50, f1_75 = _match(overlap, objects, found)
    error, rand_precision, rand_recall = overlap.rand(ignore_truth=0)
    split, merge = overlap.information(ignore_truth=0)
    return InstanceScores(
        objects=objects,
        predicted=found,
        f1_50=f1_50,
        f1_75=f1_75,
        precision_50=number(precision),
        recall_50=number(recall),
        panoptic_quality=number(2 * float(ious.sum()) / (objects + found)),
        segmentation_quality=number(float(ious.mean())) if ious.size else None,
        rand_error=number(error),
        rand_precision=number(rand_precision),
        rand_recall=number(rand_recall),
        split_vi=number(split),
        merge_vi=number(merge),
        voxels=int(counts.sum()),
    )


def _match(
    overlap: Contingency, objects: int, found: int
) -> tuple[npt.NDArray[Any], float, float, float, float]:
    true, predicted, counts = overlap.pairs()
    matched = match_objects(true, predicted, counts)
    ious = matched[matched >= 0.5]
    hits = len(ious)
    strict = int((matched >= 0.75).sum())
    return (
        ious,
        hits / found if found else float("nan"),
        hits / objects if objects else float("nan"),
        2 * hits / (objects + found),
        2 * strict / (objects + found),
    )


def _count(ids: npt.NDArray[np.int64]) -> int:
    return int(np.count_nonzero(np.unique(ids)))


def match_objects(
    truth: npt.NDArray[np.int64],
    prediction: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """IoU of every pair of a one-to-one match with IoU of at least 0.5.

    Above 0.5 a match is unique; ties at exactly 0.5 are settled by assignment.

    Parameters
    ----------
    truth, prediction, counts
        Ids of the pairs that overlap, and their voxels (0 is no object).
    """
    size_true = _sizes(truth, counts)
    size_predicted = _sizes(prediction, counts)
    keep = (truth > 0) & (prediction > 0)
    union = [
        size_true[t] + size_predicted[p] - n
        for t, p, n in zip(truth[keep], prediction[keep], counts[keep], strict=True)
    ]
    iou = counts[keep] / np.asarray(union, float) if union else np.empty(0)
    good = iou >= 0.5
    if not good.any():
        return np.empty(0)
    rows = np.unique(truth[keep][good], return_inverse=True)[1]
    columns = np.unique(prediction[keep][good], return_inverse=True)[1]
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    table[rows, columns] = iou[good]
    matched: npt.NDArray[np.float64] = table[linear_sum_assignment(-table)]
    return matched[matched >= 0.5]


def _sizes(ids: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> dict[int, int]:
    values, where = np.unique(ids, return_inverse=True)
    sums = np.bincount(where.ravel(), weights=counts, minlength=len(values))
    return {int(v): round(s) for v, s in zip(values, sums, strict=True)}
