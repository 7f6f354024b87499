"""How good labels are on voxels that nobody painted: over all, by class, by distance."""

from __future__ import annotations

import numpy as np

from benchmarks.scenarios import Scene
from napari_densify.evaluation import Confusion

__all__ = ["DISTANCES", "mean_iou", "score"]

# Slices from the nearest painted one: at least so many, up to the next entry.
DISTANCES = (1, 2, 4, 8, 16)


def mean_iou(labels: np.ndarray, scene: Scene) -> float:
    """Mean IoU over classes, on voxels with a truth that nobody painted."""
    return float(_confusion(labels, scene.truth, scene.paint).rates.mean_iou)


def score(labels: np.ndarray, truth: np.ndarray, paint: np.ndarray) -> dict:
    """Mean IoU, IoU and share of each class, mean IoU by distance from painted slices."""
    confusion = _confusion(labels, truth, paint)
    rates = confusion.rates
    scored = rates.truth.sum()
    classes = {
        str(c): [round(float(i), 4), round(float(n / scored), 4)]
        for c, i, n in zip(confusion.classes, rates.iou, rates.truth, strict=True)
        if n
    }
    return {
        "iou": round(float(rates.mean_iou), 4),
        "classes": classes,
        "distances": _by_distance(confusion, paint),
    }


def _confusion(labels: np.ndarray, truth: np.ndarray, paint: np.ndarray) -> Confusion:
    unseen = np.where(paint == 0, truth, 0)
    confusion = Confusion(np.unique(truth[truth > 0]).tolist())
    for z in range(len(truth)):
        confusion.add(z, labels[z], unseen[z])
    return confusion


def _by_distance(confusion: Confusion, paint: np.ndarray) -> dict[str, float]:
    """Mean IoU of the slices at each distance; empty where every slice has some paint."""
    painted = np.flatnonzero(paint.any((1, 2)))
    out = {}
    for low, high in zip(DISTANCES, (*DISTANCES[1:], len(paint) + 1), strict=True):
        part = Confusion(confusion.classes)
        part.slices = {
            z: counts
            for z, counts in confusion.slices.items()
            if len(painted) and low <= np.abs(painted - z).min() < high
        }
        if part.slices:
            out[str(low)] = round(float(part.rates.mean_iou), 4)
    return out
