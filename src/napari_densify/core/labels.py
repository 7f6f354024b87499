"""The label contract: the one place that says what a label value means.

* Annotations: ``0`` is *not annotated*; ``1..K`` are classes.
* Predictions are dense and use the same codes.
* The class table flags at most one class as background. Only that flag makes a
  class transparent or lets it be down-weighted; no value is background by itself.
* At least two classes must be painted before anything is trained.

The loss side of the contract (a voxel that is not annotated contributes exactly
zero to loss and gradient) is implemented in ``training.losses`` from these codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_densify.core.errors import InputError

__all__ = [
    "UNLABELLED",
    "ClassTable",
    "LabelClass",
    "count_labels",
    "label_dtype",
    "require_trainable",
    "to_class_indices",
]

UNLABELLED = 0
"""Value of a voxel that nobody annotated."""

MAX_CLASSES = 65535

# Paul Tol's schemes bright and light (SRON/EPS/TN/09-002), made for colour-blind readers.
_PALETTE = (
    "#4477aa", "#ee6677", "#ccbb44", "#228833", "#66ccee", "#aa3377",
    "#ee8866", "#bbbbbb", "#44bb99", "#ffaabb", "#aaaa00", "#99ddff",
)  # fmt: skip


class LabelClass(BaseModel):
    """One row of the class table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: int = Field(ge=1, le=MAX_CLASSES, title="Value", description="Code in label arrays")
    name: str = Field(min_length=1, title="Name")
    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$", title="Colour")
    key: str = Field(default="", max_length=1, title="Key", description="Shortcut that selects it")
    background: bool = Field(
        default=False,
        title="Background",
        description="Transparent in predictions; may be down-weighted as frequent",
    )


class ClassTable(BaseModel):
    """The classes of a project or model, in ascending order of value.

    Class *index* ``i`` (the network's output channel) is ``classes[i]``; class
    *value* is the code found in label arrays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[LabelClass, ...]

    @model_validator(mode="after")
    def _check(self) -> ClassTable:
        values = [c.value for c in self.classes]
        if values != sorted(set(values)):
            raise ValueError("class values must be unique and ascending")
        if sum(c.background for c in self.classes) > 1:
            raise ValueError("at most one class may be flagged as background")
        return self

    @classmethod
    def default(cls) -> ClassTable:
        """Table of a new project: background (1) and one foreground class (2)."""
        return cls.from_values([1, 2], names={1: "background", 2: "foreground"}, background=1)

    @classmethod
    def from_values(
        cls,
        values: Iterable[int],
        *,
        names: Mapping[int, str] | None = None,
        background: int | None = None,
    ) -> ClassTable:
        """Build a table for label values that came without one (no background)."""
        names = names or {}
        return cls(
            classes=tuple(
                LabelClass(
                    value=v,
                    name=names.get(v, f"class {v}"),
                    color=_PALETTE[(v - 1) % len(_PALETTE)],
                    key=str(v) if v <= 9 else "",
                    background=v == background,
                )
                for v in sorted({int(v) for v in values} - {UNLABELLED})
            )
        )

    @property
    def values(self) -> tuple[int, ...]:
        """Class codes in ascending order."""
        return tuple(c.value for c in self.classes)

    @property
    def background(self) -> int | None:
        """Code of the class flagged as background, if any."""
        return next((c.value for c in self.classes if c.background), None)

    def __len__(self) -> int:
        return len(self.classes)

    def name(self, value: int) -> str:
        """Name of a class code (``class N`` if it is not in the table)."""
        return next((c.name for c in self.classes if c.value == value), f"class {value}")

    def only(self, values: Iterable[int]) -> ClassTable:
        """Return the table restricted to ``values``; unknown values are added."""
        keep = {int(v) for v in values} - {UNLABELLED}
        known = {c.value: c for c in self.classes}
        extra = ClassTable.from_values(keep - known.keys()).classes
        rows = [known[v] for v in keep & known.keys()] + list(extra)
        return ClassTable(classes=tuple(sorted(rows, key=lambda c: c.value)))


def label_dtype(largest: int) -> np.dtype[Any]:
    """Dtype of label arrays: uint8, or uint16 past 255 classes."""
    return np.dtype(np.uint8 if largest <= 255 else np.uint16)


def count_labels(labels: npt.NDArray[Any]) -> dict[int, int]:
    """Count voxels per class code; unlabelled voxels are left out.

    Parameters
    ----------
    labels
        Integer array of any shape.
    """
    flat = np.asarray(labels).ravel()
    if flat.max(initial=0) > MAX_CLASSES:  # object ids: a table of them all may not fit
        values, numbers = np.unique(flat, return_counts=True)
    else:
        table = np.bincount(flat)
        values = np.flatnonzero(table)
        numbers = table[values]
    rows = zip(values.tolist(), numbers.tolist(), strict=True)
    return {value: n for value, n in rows if value != UNLABELLED}


def require_trainable(
    counts: Mapping[int, int], table: ClassTable | None = None, *, where: str = "annotations"
) -> None:
    """Refuse paint that nothing can be learned from.

    Raises
    ------
    InputError
        If no voxel is annotated, all annotated voxels are of one class, or they hold
        object ids.
    """
    painted = [v for v, n in counts.items() if n > 0 and v != UNLABELLED]
    if not painted:
        raise InputError(
            "no voxel is annotated (every value is 0)",
            where=where,
            mend="paint at least two classes on at least one slice",
        )
    if max(painted) > MAX_CLASSES:
        raise InputError(
            f"value {max(painted)} is no class code (1 to {MAX_CLASSES}), but perhaps an object id",
            where=where,
            mend="give labels in which all objects of a class have one value",
        )
    if len(painted) == 1:
        value = painted[0]
        name = table.name(value) if table else f"class {value}"
        raise InputError(
            f"only one class is painted ({name}, value {value})",
            where=where,
            mend="paint a second class too, usually the background: "
            "voxels left at 0 are ignored, they do not count as background",
        )


def to_class_indices(labels: npt.NDArray[Any], table: ClassTable) -> npt.NDArray[np.int16]:
    """Map label codes to class indices; unlabelled and unknown codes become -1.

    Parameters
    ----------
    labels
        Integer array of any shape.
    table
        Classes; index ``i`` is ``table.classes[i]``.

    Returns
    -------
    Array of the same shape, int16, values ``-1..K-1``.
    """
    largest = max([int(labels.max(initial=0)), *table.values])
    lookup = np.full(largest + 1, -1, np.int16)
    lookup[list(table.values)] = np.arange(len(table), dtype=np.int16)
    indices: npt.NDArray[np.int16] = lookup[labels]
    return indices
