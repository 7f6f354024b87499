"""Which class each group of voxels stands for, decided by paint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.classical.task import Labels, Rule, Task
from napari_densify.core.blocks import Region

__all__ = ["Groups", "assign_groups", "count_groups", "group_rule", "mean_dice"]

Groups = Callable[[Region], npt.NDArray[Any]]
"""Group number (0..G-1) of every voxel of a region."""

_MAX_SEARCHED = 256


def group_rule(task: Task, groups: Groups, count: int, *, invert: bool = False) -> Rule:
    """Turn group numbers into class codes: by paint, or in order of number without any.

    Parameters
    ----------
    task
        Paint and classes.
    groups
        Group numbers of a region, ordered so that neighbours are alike.
    count
        Number of groups.
    invert
        Without paint: the last group gets the first class.
    """
    if task.paint is not None and task.paint.slices:
        lookup = assign_groups(count_groups(task, groups, count), task.classes)
    else:
        k = len(task.classes)
        order = np.minimum(np.arange(count) * k // max(count, 1), k - 1)
        lookup = np.asarray(task.classes)[order[::-1] if invert else order]
    codes = lookup.astype(task.dtype)

    def rule(region: Region) -> Labels:
        labels: Labels = codes[groups(region)]
        return labels

    return rule


def count_groups(task: Task, groups: Groups, count: int) -> npt.NDArray[np.int64]:
    """Painted voxels of each group and class, ``(G, K)``."""
    table = np.zeros((count, len(task.classes)), np.int64)
    paint = task.require_paint()
    for box in task.boxes():
        labels = paint.read(box)
        numbers = groups(box)
        for k, value in enumerate(task.classes):
            table[:, k] += np.bincount(numbers[labels == value], minlength=count)
    return table


def assign_groups(table: npt.NDArray[np.int64], classes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Choose a class for each group so that the mean Dice on the paint is greatest.

    Starts from the likeliest class of each group, with classes weighted equally, and
    improves group by group until nothing changes. Groups without paint follow the
    nearest group that has some.

    Parameters
    ----------
    table
        Painted voxels of each group and class, ``(G, K)``.
    classes
        Class codes.

    Returns
    -------
    Class code of each group, ``(G,)``.
    """
    painted = np.flatnonzero(table.sum(1))
    if painted.size == 0:
        return np.full(len(table), classes[0], np.int64)
    known = table[painted].astype(float)
    start = np.argmax(known / np.maximum(known.sum(0), 1), axis=1)
    choice = _ascend(known, start) if len(known) <= _MAX_SEARCHED else start
    nearest = np.abs(np.arange(len(table))[:, None] - painted[None]).argmin(1)
    codes: npt.NDArray[np.int64] = np.asarray(classes, np.int64)[choice[nearest]]
    return codes


def _ascend(table: npt.NDArray[Any], start: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    choice, k = start.copy(), table.shape[1]
    order = np.argsort(-table.sum(1), kind="stable")
    for _ in range(8):
        before = choice.copy()
        for g in order:
            trials = np.repeat(choice[None], k, axis=0)
            trials[:, g] = np.arange(k)
            values = [mean_dice(table, t) for t in trials]
            if max(values) > values[choice[g]] + 1e-12:
                choice[g] = int(np.argmax(values))
        if np.array_equal(before, choice):
            break
    return choice


def mean_dice(table: npt.NDArray[Any], choice: npt.NDArray[np.int64]) -> float:
    """Mean Dice over painted classes when each group gets the class chosen for it."""
    k = table.shape[1]
    chosen = np.zeros((k, k))
    np.add.at(chosen, choice, table)
    truth, predicted, hit = table.sum(0), chosen.sum(1), np.diagonal(chosen)
    painted = truth > 0
    return float((2 * hit[painted] / (truth + predicted)[painted]).mean())
