"""Scores of dense class labels, on scored voxels only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.labels import UNLABELLED, ClassTable
from napari_densify.core.volume import Spacing
from napari_densify.evaluation._slices import Labels, Slices, require_same_shape
from napari_densify.evaluation.bootstrap import bootstrap_rates
from napari_densify.evaluation.boundary import BoundaryCount, count_boundary
from napari_densify.evaluation.confusion import Confusion, Rates
from napari_densify.evaluation.contingency import Contingency, slice_segments
from napari_densify.evaluation.results import ClassScore, Scores, SliceScore, number
from napari_densify.evaluation.truth import TruthCodes, ZeroMeaning, resolve_truth_codes

__all__ = ["ScoreOptions", "score_labels"]

Plane = npt.NDArray[Any]


@dataclass(frozen=True)
class ScoreOptions:
    """What is scored, and how strictly.

    Attributes
    ----------
    zero
        What 0 in the truth means: not scored, or (ordinary masks) background.
    spacing
        Voxel size (Z, Y, X) in nm.
    tolerance_nm
        Tolerance of the boundary F1; None: two voxels in the plane.
    shapes
        Also compute boundary F1, adapted Rand error and variation of information;
        they take longer than the overlap scores.
    single_class
        Accept a truth in which a single class is painted.
    partial
        With ``zero="background"``: 0 in the prediction says that nothing was predicted
        there, as in our own files, and is not the prediction's background.
    """

    zero: ZeroMeaning = "unscored"
    spacing: Spacing = (1.0, 1.0, 1.0)
    tolerance_nm: float | None = None
    shapes: bool = True
    single_class: bool = False
    partial: bool = False

    @property
    def tolerance(self) -> float:
        """Tolerance in nm."""
        return self.tolerance_nm if self.tolerance_nm is not None else 2 * max(self.spacing[1:])


def score_labels(
    prediction: Labels,
    truth: Labels,
    *,
    classes: ClassTable | None = None,
    exclude: Labels | None = None,
    mask: Labels | None = None,
    options: ScoreOptions | None = None,
    **changes: Any,
) -> Scores:
    """Score dense labels against a truth, reading both slice by slice.

    Voxels count if the truth is not 0 there (see ``ScoreOptions.zero``), they were
    not annotated (trained on), and the mask, if given, is not 0.

    Parameters
    ----------
    prediction, truth
        Class codes ``(Z, Y, X)``.
    classes
        Names of the codes, and which one is background.
    exclude
        Annotations ``(Z, Y, X)`` that were trained on: never scored where not 0.
    mask
        ``(Z, Y, X)``; scored only where not 0.
    options
        What is scored, and how strictly.
    **changes
        Fields of :class:`ScoreOptions`, as a short form of ``options``.

    Raises
    ------
    InputError
        If shapes differ, nothing is left to score, or the truth is a 0/1 mask
        and ``zero`` does not say what its 0 means.

    Examples
    --------
    >>> truth = np.array([[[1, 1, 2, 2]]], np.uint8)
    >>> score_labels(np.array([[[1, 2, 2, 2]]], np.uint8), truth).dice
    {1: 0.6666666666666666, 2: 0.8}
    """
    options = options or ScoreOptions(**changes)
    pair = _Pair.open(prediction, truth, exclude, mask)
    codes = resolve_truth_codes(
        *pair.codes(keep_zero=options.zero == "background"),
        table=classes,
        zero=options.zero,
        single_class=options.single_class,
        partial=options.partial,
    )
    tally = _Tally(codes, options)
    for z, predicted, true in pair.planes(codes):
        tally.add(z, predicted, true)
    return _report(tally, classes, pair.painted_slices)


@dataclass
class _Pair:
    """Prediction and truth, and which voxels of them count."""

    prediction: Slices
    truth: Slices
    exclude: Slices | None
    mask: Slices | None
    painted_slices: list[int] = field(default_factory=list)

    @classmethod
    def open(
        cls, prediction: Labels, truth: Labels, exclude: Labels | None, mask: Labels | None
    ) -> _Pair:
        pair = cls(
            Slices(prediction, "prediction"),
            Slices(truth, "truth"),
            None if exclude is None else Slices(exclude, "annotations"),
            None if mask is None else Slices(mask, "mask"),
        )
        require_same_shape(pair.prediction, pair.truth, pair.exclude, pair.mask)
        return pair

    def counted(self, z: int) -> npt.NDArray[np.bool_]:
        """Voxels of a slice that count, as far as annotations and mask say."""
        keep = np.ones(self.truth.shape[1:], bool)
        if self.exclude is not None:
            keep &= self.exclude[z] == UNLABELLED
        if self.mask is not None:
            keep &= self.mask[z] != 0
        return keep

    def codes(self, *, keep_zero: bool) -> tuple[set[int], set[int]]:
        """Codes of truth and prediction in the voxels that count."""
        true: set[int] = set()
        predicted: set[int] = set()
        for z in range(self.truth.shape[0]):
            keep = self.counted(z)
            if self.exclude is not None and (self.exclude[z] != UNLABELLED).any():
                self.painted_slices.append(z)
            plane = self.truth[z]
            if not keep_zero:
                keep &= plane != UNLABELLED
            if keep.any():
                true.update(np.unique(plane[keep]).tolist())
                predicted.update(np.unique(self.prediction[z][keep]).tolist())
        return true, predicted

    def planes(self, codes: TruthCodes) -> Iterator[tuple[int, Plane, Plane]]:
        """Slices with anything to score; truth is 0 where a voxel does not count."""
        for z in range(self.truth.shape[0]):
            true = np.where(self.counted(z), codes.read(self.truth[z]), UNLABELLED)
            if true.any():
                yield z, codes.read_prediction(self.prediction[z]), true


class _Tally:
    """Everything that is counted, slice by slice."""

    def __init__(self, codes: TruthCodes, options: ScoreOptions) -> None:
        self.codes = codes
        self.options = options
        self.confusion = Confusion(codes.classes)
        self.boundaries = {c: BoundaryCount() for c in codes.classes}
        self.overlap = Contingency()
        self._next_id = [1, 1]

    def add(self, z: int, prediction: Plane, truth: Plane) -> None:
        self.confusion.add(z, prediction, truth)
        if self.options.shapes:
            self._add_boundaries(prediction, truth)
            self._add_segments(prediction, truth)

    def _add_boundaries(self, prediction: Plane, truth: Plane) -> None:
        for value, count in self.boundaries.items():
            hits, totals = count_boundary(
                prediction == value,
                truth == value,
                scored=truth != UNLABELLED,
                tolerance=self.options.tolerance,
                spacing=self.options.spacing[1:],
            )
            count.add(hits, totals)

    def _add_segments(self, prediction: Plane, truth: Plane) -> None:
        scored = truth != UNLABELLED
        segments = []
        for i, plane in enumerate((truth, prediction)):
            ids = slice_segments(plane, scored, first=self._next_id[i])
            self._next_id[i] = max(self._next_id[i], int(ids.max()) + 1)
            segments.append(ids[scored])
        self.overlap.add(segments[0], segments[1])


def _report(tally: _Tally, table: ClassTable | None, painted: list[int]) -> Scores:
    confusion, codes, shapes = tally.confusion, tally.codes, tally.options.shapes
    total, rates = confusion.total, confusion.rates
    interval = bootstrap_rates(list(confusion.slices.values()))
    boundary = [tally.boundaries[c].f1 for c in codes.classes] if shapes else []
    present = [b for b, n in zip(boundary, rates.truth, strict=False) if n and np.isfinite(b)]
    rows = [
        ClassScore(
            value=value - codes.shift,
            name=_name(value - codes.shift, table),
            dice=number(rates.dice[i]),
            iou=number(rates.iou[i]),
            precision=number(rates.precision[i]),
            recall=number(rates.recall[i]),
            boundary_f1=number(boundary[i]) if shapes else None,
            voxels=int(rates.truth[i]),
            predicted=int(rates.predicted[i]),
            dice_interval=interval.dice[i],
            iou_interval=interval.iou[i],
        )
        for i, value in enumerate(codes.classes)
    ]
    scores = Scores(
        classes=tuple(rows),
        mean_dice=number(rates.mean_dice),
        mean_iou=number(rates.mean_iou),
        mean_dice_interval=interval.mean_dice,
        mean_iou_interval=interval.mean_iou,
        accuracy=number(np.trace(total) / max(int(total.sum()), 1)),
        boundary_f1=float(np.mean(present)) if present else None,
        boundary_tolerance_nm=tally.options.tolerance if shapes else None,
        voxels=int(total.sum()),
        slices=tuple(_slice(z, c, codes, painted) for z, c in sorted(confusion.slices.items())),
        truth_codes=dict(codes.changed),
    )
    return scores.model_copy(update=_segment_scores(tally.overlap)) if shapes else scores


def _segment_scores(overlap: Contingency) -> dict[str, float | None]:
    split, merge = overlap.information()
    return {
        "rand_error": number(overlap.rand()[0]),
        "split_vi": number(split),
        "merge_vi": number(merge),
    }


def _slice(z: int, counts: Plane, codes: TruthCodes, painted: list[int]) -> SliceScore:
    rates = Rates(counts)
    dice = zip(codes.classes, rates.dice, strict=True)
    return SliceScore(
        z=z,
        voxels=int(counts.sum()),
        dice={c - codes.shift: float(d) for c, d in dice if np.isfinite(d)},
        mean_dice=number(rates.mean_dice),
        mean_iou=number(rates.mean_iou),
        distance=min((abs(z - p) for p in painted), default=None),
    )


def _name(value: int, table: ClassTable | None) -> str:
    if value == UNLABELLED:
        return "background"
    return table.name(value) if table else f"class {value}"
