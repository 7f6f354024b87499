"""V_rand and V_info of the ISBI 2012 challenge, for boundary probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_densify.core.base import Settings
from napari_densify.core.errors import InputError

__all__ = ["BoundaryScores", "score_boundary_map"]


class BoundaryScores(Settings):
    """F-scores of Arganda-Carreras et al. (2015), 1 is perfect, and their thresholds."""

    v_rand: float
    v_info: float
    rand_threshold: float
    info_threshold: float


def score_boundary_map(
    boundary: npt.NDArray[Any],
    truth: npt.NDArray[np.bool_],
    *,
    thresholds: Sequence[float] = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2)),
) -> BoundaryScores:
    """Score boundary probabilities by the regions that they enclose, slice by slice.

    At each threshold the voxels below it are split into 2D regions, the regions
    grow until only lines one voxel wide (zero wide, in effect) part them, and
    are compared with the true regions on true foreground only. The F-scores are
    averaged over slices; the best threshold counts.

    Parameters
    ----------
    boundary
        Probability of boundary ``(Z, Y, X)``, 0 to 1; a binary map also serves.
    truth
        True boundary ``(Z, Y, X)``.
    thresholds
        Probabilities at which the map is cut.

    Raises
    ------
    InputError
        If the shapes differ, or the truth encloses nothing.

    References
    ----------
    Arganda-Carreras et al., Crowdsourcing the creation of image segmentation
    algorithms for connectomics, Frontiers in Neuroanatomy 9:142 (2015).
    """
    if boundary.shape != truth.shape:
        raise InputError(f"shapes differ: {boundary.shape} and {truth.shape}", where="truth")
    regions = [ndimage.label(~plane)[0] for plane in np.asarray(truth, bool)]
    if not any(r.any() for r in regions):
        raise InputError("no region: every voxel is boundary", where="truth")
    scores = [_score_at(boundary, regions, t) for t in thresholds]
    rand = int(np.argmax([s[0] for s in scores]))
    info = int(np.argmax([s[1] for s in scores]))
    return BoundaryScores(
        v_rand=scores[rand][0],
        v_info=scores[info][1],
        rand_threshold=float(thresholds[rand]),
        info_threshold=float(thresholds[info]),
    )


def _score_at(
    boundary: npt.NDArray[Any], regions: list[npt.NDArray[Any]], threshold: float
) -> tuple[float, float]:
    rows = [
        _f_scores(true, _thin(plane < threshold))
        for plane, true in zip(boundary, regions, strict=True)
        if true.any()
    ]
    rand, info = np.mean(rows, axis=0)
    return float(rand), float(info)


def _thin(inside: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Regions of a slice, grown over the boundary voxels nearest to each."""
    regions: npt.NDArray[Any] = ndimage.label(inside)[0]
    if not regions.any():
        return np.ones_like(regions)
    nearest = ndimage.distance_transform_edt(
        regions == 0, return_distances=False, return_indices=True
    )
    grown: npt.NDArray[Any] = regions[tuple(nearest)]
    return grown


def _f_scores(truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> tuple[float, float]:
    """V_rand and V_info with equal weight of splits and mergers, on true foreground."""
    inside = truth > 0
    width = int(prediction.max()) + 1
    joint = np.bincount(truth[inside].astype(np.int64) * width + prediction[inside])
    joint = joint[joint > 0] / inside.sum()
    s = np.bincount(prediction[inside]) / inside.sum()
    t = np.bincount(truth[inside]) / inside.sum()
    rand = float((joint**2).sum() / (0.5 * (s**2).sum() + 0.5 * (t**2).sum()))
    h_s, h_t, h_joint = _entropy(s), _entropy(t), _entropy(joint)
    if h_s + h_t == 0:
        return rand, 1.0
    return rand, float((h_s + h_t - h_joint) / (0.5 * h_s + 0.5 * h_t))


def _entropy(p: npt.NDArray[Any]) -> float:
    positive = p[p > 0]
    return float(-(positive * np.log(positive)).sum())
