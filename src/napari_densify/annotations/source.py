"""What training, scoring and suggestions need to know of annotations."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region
from napari_densify.core.labels import UNLABELLED, count_labels

__all__ = ["Annotations", "ArrayAnnotations"]


class Annotations(Protocol):
    """Sparse labels of a volume, readable without scanning all of it."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along Z, Y, X."""
        ...

    def read(self, region: Region) -> npt.NDArray[Any]:
        """Read a region as ``(Z, Y, X)`` label codes."""
        ...

    def painted_boxes(self) -> list[Region]:
        """Disjoint boxes that together hold every annotated voxel."""
        ...

    def counts(self) -> dict[int, int]:
        """Annotated voxels per class code."""
        ...

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per class code, for each Z slice that has any."""
        ...


class ArrayAnnotations:
    """Annotations held in one array in memory (or any array that can be sliced)."""

    def __init__(self, labels: npt.NDArray[Any]) -> None:
        self._labels = labels
        self.shape: tuple[int, int, int] = (labels.shape[0], labels.shape[1], labels.shape[2])

    def read(self, region: Region) -> npt.NDArray[Any]:
        """Read a region as ``(Z, Y, X)`` label codes."""
        return np.asarray(self._labels[region])

    def painted_boxes(self) -> list[Region]:
        """One tight box for each Z slice that holds paint."""
        boxes: list[Region] = []
        for z in range(self.shape[0]):
            plane = np.asarray(self._labels[z]) != UNLABELLED
            rows, columns = np.flatnonzero(plane.any(1)), np.flatnonzero(plane.any(0))
            if rows.size:
                boxes.append(
                    (
                        slice(z, z + 1),
                        slice(int(rows[0]), int(rows[-1]) + 1),
                        slice(int(columns[0]), int(columns[-1]) + 1),
                    )
                )
        return boxes

    def counts(self) -> dict[int, int]:
        """Annotated voxels per class code."""
        total: dict[int, int] = {}
        for row in self.slice_counts().values():
            for value, n in row.items():
                total[value] = total.get(value, 0) + n
        return dict(sorted(total.items()))

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per class code, for each Z slice that has any."""
        rows = {z: count_labels(np.asarray(self._labels[z])) for z in range(self.shape[0])}
        return {z: row for z, row in rows.items() if row}
