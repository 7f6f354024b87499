"""Parameters that suit the paint: a bounded search, scored on paint left out slice by slice."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product, zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.classical.grouping import mean_dice
from napari_densify.classical.registry import Method, get_method, resolve_parameters
from napari_densify.classical.run import label_task, make_task
from napari_densify.classical.task import Paint, Task, best_window
from napari_densify.core.base import Settings
from napari_densify.core.blocks import Region
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.labels import UNLABELLED, ClassTable
from napari_densify.core.volume import ArrayLike, Volume

__all__ = ["Trial", "Tuned", "search_parameters", "tune_method"]

_FOLDS = 3
_CANDIDATES = 16
_FEWEST_VOXELS = 200_000
_PATIENCE = 3.0
_MARGIN = 0.02


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    parameters
        The best parameters; the defaults where nothing was better by more than 0.02, which
        so little paint cannot tell from chance.
    score
        Mean Dice on paint that was left out, NaN if nothing could be left out.
    default_score
        The same with the default parameters.
    trials
        Sets of parameters that were tried.
    seconds
        Time that it took.
    """

    parameters: Settings
    score: float
    default_score: float
    trials: int
    seconds: float


@dataclass(frozen=True)
class Trial:
    """How far a search is: sets of parameters that were tried, of all that are to be."""

    done: int
    total: int


@dataclass(frozen=True)
class _Fold:
    """A piece of the volume with paint to learn from, and other paint to be scored on."""

    task: Task
    truth: npt.NDArray[Any]
    where: Region


def tune_method(
    name: str,
    volume: Volume,
    annotations: ArrayLike,
    *,
    classes: ClassTable | None = None,
    seconds: float = 10.0,
    seed: int = 0,
) -> Tuned:
    """Search a method's parameters on the paint alone.

    Each set of parameters labels painted slices whose paint it was not given (halves
    of the slice where only one is painted), and is scored there by mean Dice. How many
    sets are tried, and on how large a part of the volume, follows from ``seconds`` and a
    fixed cost for each method: the same call gives the same answer on any machine. Only
    a machine that takes three times as long cuts the search short.

    Parameters
    ----------
    name
        Method, see ``METHODS``.
    volume
        Image.
    annotations
        Paint to learn from, ``(Z, Y, X)``; held-out slices must not be in it.
    classes
        Classes; by default those painted.
    seconds
        About how long it may take.
    seed
        Seed of the order in which sets of parameters are tried.

    Raises
    ------
    InputError
        If the method or the paint cannot be used.
    """
    search = search_parameters(
        name, volume=volume, annotations=annotations, classes=classes, seconds=seconds, seed=seed
    )
    while True:
        try:
            next(search)
        except StopIteration as end:
            found: Tuned = end.value
            return found


def search_parameters(
    name: str,
    *,
    volume: Volume,
    annotations: ArrayLike | None,
    classes: ClassTable | None = None,
    probabilities: Volume | None = None,
    seconds: float = 10.0,
    seed: int = 0,
    control: JobControl | None = None,
) -> Generator[Trial, None, Tuned]:
    """As :func:`tune_method`, but one trial at a time; ``control.stop`` ends it with the best.

    Yields
    ------
    A :class:`Trial` before each set of parameters; the generator's value is the result.
    """
    started = time.monotonic()
    method, preset = get_method(name)
    task = make_task(volume, annotations, classes, control, probabilities=probabilities)
    task.require_paint()
    candidates = _candidates(method, preset, seed)[: _count(method, seconds)]
    folds = _folds(task, _voxel_limit(method, len(candidates), seconds))
    scores: list[float] = []
    for parameters in candidates:
        yield Trial(len(scores), len(candidates))
        if task.control.stop and scores:
            break
        scores.append(_score(method, folds, parameters))
        if time.monotonic() - started > _PATIENCE * seconds:
            break
    best = _best(scores)
    return Tuned(
        parameters=candidates[best],
        score=scores[best],
        default_score=scores[0],
        trials=len(scores),
        seconds=time.monotonic() - started,
    )


def _best(scores: Sequence[float]) -> int:
    """Index of the best set; the defaults, unless another is better by more than chance."""
    if not np.isfinite(scores).any():
        return 0
    best, default = int(np.nanargmax(scores)), scores[0]
    return 0 if scores[best] <= default + _MARGIN else best


def _candidates(method: Method, preset: Mapping[str, Any], seed: int) -> list[Settings]:
    """Defaults first, then combinations of each search space in turn, in a seeded order."""
    rng = np.random.default_rng(seed)
    decks = []
    for space in method.search:
        free = {n: v for n, v in space.items() if n not in preset}
        deck = [dict(zip(free, values, strict=True)) for values in product(*free.values())]
        decks.append([deck[i] for i in rng.permutation(len(deck))])
    chosen = [resolve_parameters(method, preset, None)]
    for values in chain.from_iterable(zip_longest(*decks)):
        parameters = resolve_parameters(method, {**preset, **(values or {})}, None)
        if parameters not in chosen:
            chosen.append(parameters)
    return chosen[:_CANDIDATES]


def _count(method: Method, seconds: float) -> int:
    """Count the sets of parameters that can be tried on a useful part of the volume."""
    one = _FOLDS * _FEWEST_VOXELS * method.seconds_per_mvoxel / 1e6
    return int(np.clip(seconds / one, 2, _CANDIDATES))


def _voxel_limit(method: Method, candidates: int, seconds: float) -> int:
    runs = candidates * _FOLDS
    return max(_FEWEST_VOXELS, int(1e6 * seconds / (runs * method.seconds_per_mvoxel)))


def _folds(task: Task, limit: int) -> list[_Fold]:
    slices = task.require_paint().slices
    if len(slices) == 1:
        return [_half(task, slices[0], first) for first in (True, False)]
    picks = np.unique(np.linspace(0, len(slices) - 1, min(_FOLDS, len(slices))).round())
    return [_left_out(task, slices, int(i), limit) for i in picks]


def _half(task: Task, z: int, first: bool) -> _Fold:
    paint = task.require_paint().plane(z)
    rows = np.flatnonzero((paint != UNLABELLED).any(1))
    middle = int(rows[len(rows) // 2])
    known = paint.copy()
    known[slice(0, middle) if first else slice(middle, None)] = UNLABELLED
    box = (slice(z, z + 1), *task.region[1:])
    piece = task.cropped(box)
    truth = np.where(known == UNLABELLED, paint, UNLABELLED)[None]
    return _Fold(replace(piece, paint=Paint(known[None])), truth, piece.region)


def _left_out(task: Task, slices: Sequence[int], index: int, limit: int) -> _Fold:
    z = slices[index]
    around = [slices[i] for i in (index - 1, index + 1) if 0 <= i < len(slices)]
    low, high = min(z, *around), max(z, *around)
    paint = task.require_paint()
    window = best_window(paint.plane(z), task.classes, limit // (high - low + 1))
    piece = task.cropped((slice(low, high + 1), *window))
    known = piece.require_paint().array
    truth = np.array(known[z - low])[None]
    rest = np.array(known[:])
    rest[z - low] = UNLABELLED
    where = (slice(z - low, z - low + 1), *piece.region[1:])
    return _Fold(replace(piece, paint=Paint(rest)), truth, where)


def _score(method: Method, folds: Sequence[_Fold], parameters: Settings) -> float:
    """Mean Dice over all left-out paint; NaN where the parameters cannot be used."""
    classes = np.asarray(folds[0].task.classes)
    table = np.zeros((len(classes), len(classes)))
    for fold in folds:
        if fold.task.paint is None or len(fold.task.paint.values) < 2:
            continue
        try:
            labels = label_task(method, fold.task, parameters, fold.where)
        except InputError:
            return float("nan")
        true = fold.truth
        scored = np.isin(true, classes)
        rows = np.searchsorted(classes, labels[scored])
        np.add.at(table, (rows, np.searchsorted(classes, true[scored])), 1)
    return mean_dice(table, np.arange(len(classes))) if table.any() else float("nan")
