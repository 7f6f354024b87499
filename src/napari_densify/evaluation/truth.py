"""What the codes of a truth mean, decided once before anything is counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.core.labels import UNLABELLED, ClassTable

__all__ = ["TruthCodes", "ZeroMeaning", "resolve_truth_codes"]

ZeroMeaning = Literal["unscored", "background"]

_MAX_CLASSES = 255


@dataclass(frozen=True)
class TruthCodes:
    """Classes to score, and how codes of the truth become codes of the prediction.

    Attributes
    ----------
    classes
        Class codes to be scored, ascending.
    changed
        Codes of the truth that do not stand for themselves, with what they stand for.
    shift
        Added to codes of truth and prediction alike, so that a prediction whose
        background is 0 can be scored (0 is never a class otherwise).
    """

    classes: tuple[int, ...]
    changed: Mapping[int, int] = field(default_factory=dict)
    shift: int = 0

    def read(self, truth: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Codes as they are scored, 0 where the truth says nothing."""
        codes = truth.astype(np.int64)
        recoded = codes.copy()
        for code, meaning in self.changed.items():
            recoded[codes == code] = meaning
        return recoded + self.shift

    def read_prediction(self, prediction: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Codes as they are scored."""
        return prediction.astype(np.int64) + self.shift


def resolve_truth_codes(
    truth: Collection[int],
    prediction: Collection[int],
    *,
    table: ClassTable | None,
    zero: ZeroMeaning,
    single_class: bool = False,
    partial: bool = False,
) -> TruthCodes:
    """Decide what each code of a truth stands for.

    Parameters
    ----------
    truth, prediction
        Codes that occur in the voxels to be scored.
    table
        Classes of the prediction, if known; tells which one is background.
    zero
        What 0 in the truth means.
    single_class
        Accept a truth with one class (held-out paint of a project can be like that).
    partial
        0 in the prediction says that nothing was predicted there; otherwise, with
        ``zero="background"``, that it is background.

    Raises
    ------
    InputError
        If nothing is left to score, the truth is an ordinary 0/1 mask without
        ``zero="background"``, or its codes cannot be matched with those predicted.
    """
    painted = sorted(set(truth) - {UNLABELLED})
    if len(painted) > _MAX_CLASSES:
        raise InputError(
            f"it holds {len(painted)} different values, as object ids do",
            where="truth",
            mend="score objects with --instances, or give a truth of classes",
        )
    if zero == "background":
        predicted = set(prediction) - ({UNLABELLED} if partial else set())
        return _with_background(painted, predicted, table)
    if not painted:
        raise InputError(
            "no voxel can be scored: every value is 0, masked, or was annotated",
            where="truth",
            mend="give a truth with labels outside the annotated voxels",
        )
    if len(painted) == 1 and not single_class:
        raise InputError(
            f"it holds a single non-zero value ({painted[0]}), and 0 means not scored",
            where="truth",
            mend="if 0 is background in this mask, say so (--zero background)",
        )
    return TruthCodes(classes=tuple(painted))


def _with_background(
    painted: list[int], prediction: Collection[int], table: ClassTable | None
) -> TruthCodes:
    if not painted:
        raise InputError("every value that can be scored is 0", where="truth")
    if UNLABELLED in prediction:
        # A prediction from elsewhere, with 0 as its background: codes stand as they are.
        return TruthCodes(classes=tuple(c + 1 for c in [0, *painted]), shift=1)
    codes = sorted({*prediction, *(table.values if table else ())})
    background = _background(codes, table)
    others = [c for c in codes if c != background]
    if background not in painted and set(painted) <= set(codes):
        meaning = {c: c for c in painted}
    elif len(painted) <= len(others):
        meaning = dict(zip(painted, others, strict=False))
    else:
        raise InputError(
            f"its values {painted} cannot be matched with the predicted classes {codes}, "
            f"of which {background} is background",
            where="truth",
            mend="give a truth with the codes of the prediction",
        )
    changed = {UNLABELLED: background, **{c: m for c, m in meaning.items() if c != m}}
    return TruthCodes(classes=tuple(sorted({background, *meaning.values()})), changed=changed)


def _background(codes: list[int], table: ClassTable | None) -> int:
    """Code of the background: the flagged one, else the lowest, as in a new project."""
    flagged = table.background if table else None
    return flagged if flagged is not None else codes[0]
