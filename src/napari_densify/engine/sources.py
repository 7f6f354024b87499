"""From what the user names (a path, a project, FILE::dataset) to volumes and paint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from napari_densify.annotations import Annotations, ArrayAnnotations
from napari_densify.core.blocks import Region, full_region
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Spacing, Volume

__all__ = [
    "Painted",
    "PaintedVoxels",
    "is_project",
    "open_label_volume",
    "open_paint",
    "open_painted",
    "open_volume",
    "require_shape",
]

# Label arrays up to this size are read into memory once; larger ones stay on disk.
_IN_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Painted:
    """A volume with its paint.

    Attributes
    ----------
    volume
        Image.
    annotations
        Paint, of the same shape.
    classes
        Class table, where the annotations come with one.
    held_out
        Slices that the project keeps for scoring.
    """

    volume: Volume
    annotations: Annotations
    classes: ClassTable | None = None
    held_out: tuple[int, ...] = ()


def is_project(address: str) -> bool:
    """Whether an address is a project folder."""
    return (Path(address) / "project.json").is_file()


def open_volume(
    address: str,
    *,
    spacing: Spacing | None = None,
    level: int = 0,
    channels: tuple[int, ...] | None = None,
) -> Volume:
    """Open an image, or the image of a project.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if is_project(address):
        from napari_densify.project import Project

        volume = Project.open(address, read_only=True).image()
        return volume.with_spacing(spacing) if spacing else volume
    from napari_densify.io import open_image

    return open_image(address, level=level, channels=channels, spacing=spacing)


def open_paint(address: str) -> tuple[Annotations, ClassTable | None]:
    """Open annotations, or those of a project, with their class table if they have one."""
    if is_project(address):
        from napari_densify.project import Project

        project = Project.open(address, read_only=True)
        return project.annotations(), project.classes
    from napari_densify.io import open_labels

    labels = open_labels(address)
    small = math.prod(labels.shape) * labels.dtype.itemsize <= _IN_MEMORY_BYTES
    array = labels.read_labels() if small else labels.data
    return ArrayAnnotations(cast(Any, array)), labels.metadata.get("classes")


def open_label_volume(address: str) -> Volume:
    """Open labels as a volume, read piece by piece; of a project, its paint."""
    if is_project(address):
        paint, classes = open_paint(address)
        data = PaintedVoxels(paint)
        return Volume(data=data, name=Path(address).stem, metadata={"classes": classes})
    from napari_densify.io import open_labels

    return open_labels(address)


class PaintedVoxels:
    """Annotations that can be sliced like an array.

    Parameters
    ----------
    annotations
        Paint of a volume.
    """

    def __init__(self, annotations: Annotations) -> None:
        self._annotations = annotations
        self.shape = annotations.shape
        self.dtype = np.dtype(np.uint16)

    def __getitem__(self, key: Region | int) -> npt.NDArray[Any]:
        """Read a box given by one slice an axis, or a Z slice by its number."""
        if isinstance(key, tuple):
            return self._annotations.read(key).astype(self.dtype)
        _, rows, columns = full_region(self.shape)
        plane = self._annotations.read((slice(key, key + 1), rows, columns))
        return plane[0].astype(self.dtype)


def open_painted(
    image: str,
    annotations: str,
    *,
    spacing: Spacing | None = None,
    level: int = 0,
    channels: tuple[int, ...] | None = None,
) -> Painted:
    """Open a volume and its paint; of a project, both.

    Raises
    ------
    InputError
        If one cannot be read, if there are no annotations, or if the shapes differ.
    """
    source = annotations or (image if is_project(image) else "")
    if not source:
        raise InputError(
            "no annotations given", where=image, mend="name them with --annotations, or a project"
        )
    volume = open_volume(image, spacing=spacing, level=level, channels=channels)
    paint, classes = open_paint(source)
    require_shape(paint.shape, volume.shape, where=source, other=image)
    held_out: tuple[int, ...] = ()
    if is_project(source):
        from napari_densify.project import Project

        held_out = tuple(Project.open(source, read_only=True).held_out)
    return Painted(volume, paint, classes, held_out)


def require_shape(
    shape: tuple[int, ...], expected: tuple[int, ...], *, where: str, other: str
) -> None:
    """Refuse arrays of different shapes, in one line that names both.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if tuple(shape) != tuple(expected):
        raise InputError(
            f"has shape {tuple(shape)} but {other} has {tuple(expected)} (Z, Y, X)",
            where=where,
            mend="give arrays of the same volume at the same resolution",
        )
