"""What training, scoring and suggestions need to know of annotations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region
from napari_densify.core.labels import UNLABELLED, count_labels

__all__ = ["Annotations", "ArrayAnnotations", "FileAnnotations", "sum_slices"]


def sum_slices(
    slices: Mapping[int, Mapping[int, int]], *, without: Collection[int] = ()
) -> dict[int, int]:
    """Sum up counts per class code, ascending, over slices; some of them left out.

    Examples
    --------
    >>> sum_slices({0: {2: 5}, 3: {1: 4, 2: 1}, 7: {1: 9}}, without=[7])
    {1: 4, 2: 6}
    """
    total: dict[int, int] = {}
    for z, row in slices.items():
        for value, n in row.items() if z not in without else ():
            total[value] = total.get(value, 0) + n
    return dict(sorted(total.items()))


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
        return sum_slices(self.slice_counts())

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per class code, for each Z slice that has any."""
        rows = {z: count_labels(np.asarray(self._labels[z])) for z in range(self.shape[0])}
        return {z: row for z, row in rows.items() if row}


class FileAnnotations(ArrayAnnotations):
    """Annotations of a file, which doesn't change: it is looked through once."""

    def painted_boxes(self) -> list[Region]:
        """One tight box for each Z slice that holds paint."""
        return list(self._boxes)

    def slice_counts(self) -> dict[int, dict[int, int]]:
        """Annotated voxels per class code, for each Z slice that has any."""
        return {z: dict(row) for z, row in self._rows.items()}

    @cached_property
    def _boxes(self) -> list[Region]:
        return super().painted_boxes()

    @cached_property
    def _rows(self) -> dict[int, dict[int, int]]:
        return super().slice_counts()
