"""One comparison: what is learned from, what is scored, and where it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_densify.comparison.entries import CompareOptions, Entry
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import ArrayLike, Volume
from napari_densify.evaluation import Scores, score_labels

__all__ = ["Case"]


@dataclass
class Case:
    """One comparison: what is learned from, what is scored, and where it is written."""

    image: Volume
    training: ArrayLike
    truth: ArrayLike
    classes: ClassTable
    folder: Path
    options: CompareOptions
    held_out: tuple[int, ...]
    from_truth: bool
    entries: list[Entry] = field(default_factory=list)

    def path(self, name: str) -> Path:
        """Where the labels of a method are written."""
        return self.folder / "labels" / f"{name}.tif"

    def score(self, labels: ArrayLike | Volume) -> Scores:
        """Score labels on the voxels that all are scored on."""
        return score_labels(
            labels,
            self.truth,
            classes=self.classes,
            exclude=self.training,
            zero=self.options.zero,
            spacing=self.image.spacing,
            single_class=not self.from_truth,
        )
