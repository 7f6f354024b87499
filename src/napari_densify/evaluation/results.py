"""What scoring returns: frozen, and the same in JSON."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from napari_densify.core.base import Settings

__all__ = ["ClassScore", "InstanceScores", "Scores", "SliceScore", "number"]

Interval = tuple[float, float]


def number(value: float) -> float | None:
    """Return a float as JSON has it: None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None


class ClassScore(Settings):
    """Rates of one class over all scored voxels; None where nothing could be rated."""

    value: int = Field(title="Value")
    name: str = Field(title="Class")
    dice: float | None = Field(title="Dice")
    iou: float | None = Field(title="IoU")
    precision: float | None = Field(title="Precision")
    recall: float | None = Field(title="Recall")
    boundary_f1: float | None = Field(None, title="Boundary F1")
    voxels: int = Field(title="Voxels", description="Scored voxels of this class in the truth")
    predicted: int = Field(title="Predicted voxels", description="Scored voxels predicted as it")
    dice_interval: Interval | None = None
    iou_interval: Interval | None = None


class SliceScore(Settings):
    """Rates of one slice."""

    z: int
    voxels: int
    dice: dict[int, float] = Field(description="Dice of each class that could be rated")
    mean_dice: float | None
    mean_iou: float | None
    distance: int | None = Field(None, description="Slices to the nearest paint trained on")


class Scores(Settings):
    """Scores of dense labels against a truth.

    Means are over the classes that the truth has. Intervals are 95 % bootstrap
    intervals over slices, and None for fewer than three slices.
    """

    classes: tuple[ClassScore, ...]
    mean_dice: float | None
    mean_iou: float | None
    mean_dice_interval: Interval | None = None
    mean_iou_interval: Interval | None = None
    accuracy: float | None
    boundary_f1: float | None = Field(None, description="Mean over the classes of the truth")
    boundary_tolerance_nm: float | None = None
    rand_error: float | None = Field(
        None, description="Adapted Rand error of connected regions in each slice; 0 is perfect"
    )
    split_vi: float | None = Field(
        None, description="Variation of information, false splits, bits; 0 is perfect"
    )
    merge_vi: float | None = Field(
        None, description="Variation of information, false merges, bits; 0 is perfect"
    )
    voxels: int
    slices: tuple[SliceScore, ...]
    truth_codes: dict[int, int] = Field(
        default_factory=dict,
        description="How codes of the truth were read, where not as they stand",
    )

    @property
    def dice(self) -> dict[int, float]:
        """Dice of each class code that could be rated."""
        return {c.value: c.dice for c in self.classes if c.dice is not None}

    @property
    def variation_of_information(self) -> float | None:
        """Splits and merges together, in bits."""
        if self.split_vi is None or self.merge_vi is None:
            return None
        return self.split_vi + self.merge_vi

    def table(self) -> dict[str, Any]:
        """Rows for each class, and one set of numbers for all, as printed and exported."""
        rows = [
            {
                "class": f"{c.value} {c.name}",
                "Dice": c.dice,
                "IoU": c.iou,
                "precision": c.precision,
                "recall": c.recall,
                "boundary F1": c.boundary_f1,
                "voxels": c.voxels,
            }
            for c in self.classes
        ]
        overall = {
            "mean Dice": self.mean_dice,
            "mean Dice, 95 % interval": _span(self.mean_dice_interval),
            "mean IoU": self.mean_iou,
            "mean IoU, 95 % interval": _span(self.mean_iou_interval),
            "accuracy": self.accuracy,
            "boundary F1": self.boundary_f1,
            "adapted Rand error": self.rand_error,
            "variation of information": self.variation_of_information,
            "scored voxels": self.voxels,
            "scored slices": len(self.slices),
        }
        return {"classes": rows, "overall": overall}


class InstanceScores(Settings):
    """Scores of object ids against true objects."""

    objects: int = Field(description="Objects of the truth")
    predicted: int = Field(description="Objects of the prediction")
    f1_50: float | None = Field(description="F1 of objects matched at IoU 0.5 or more")
    f1_75: float | None = Field(description="F1 of objects matched at IoU 0.75 or more")
    precision_50: float | None
    recall_50: float | None
    panoptic_quality: float | None
    segmentation_quality: float | None = Field(description="Mean IoU of matched objects")
    rand_error: float | None = Field(description="Adapted Rand error; 0 is perfect")
    rand_precision: float | None
    rand_recall: float | None
    split_vi: float | None = Field(description="False splits, bits")
    merge_vi: float | None = Field(description="False merges, bits")
    voxels: int

    def table(self) -> dict[str, Any]:
        """One set of numbers, as printed and exported."""
        return {
            "classes": [],
            "overall": {
                "objects in the truth": self.objects,
                "objects predicted": self.predicted,
                "F1 at IoU 0.5": self.f1_50,
                "F1 at IoU 0.75": self.f1_75,
                "precision at 0.5": self.precision_50,
                "recall at 0.5": self.recall_50,
                "panoptic quality": self.panoptic_quality,
                "mean IoU of matches": self.segmentation_quality,
                "adapted Rand error": self.rand_error,
                "false splits (VI, bits)": self.split_vi,
                "false merges (VI, bits)": self.merge_vi,
                "scored voxels": self.voxels,
            },
        }


def _span(interval: Interval | None) -> str | None:
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else None
