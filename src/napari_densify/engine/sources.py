"""From what the user names (a path, a project, FILE::dataset) to volumes and paint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from napari_densify.annotations import Annotations, FileAnnotations
from napari_densify.core.errors import InputError
from napari_densify.core.events import Notice
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Spacing, Volume

__all__ = [
    "Painted",
    "PaintedVoxels",
    "as_in_project",
    "is_project",
    "open_label_volume",
    "open_paint",
    "open_painted",
    "open_volume",
    "require_shape",
    "require_slices",
]

# Label arrays up to this size are read into memory once; larger ones stay on disk.
_IN_MEMORY_BYTES = 2 * 2**30

# A project's strokes and the snapshot that a round keeps of them.
_STORES = ("annotations.zarr", "strokes.zarr")
_FOREIGN = (".json", ".ilp")


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
    address
        Where the annotations are.
    """

    volume: Volume
    annotations: Annotations
    classes: ClassTable | None = None
    held_out: tuple[int, ...] = ()
    address: str = "annotations"


def is_project(address: str) -> bool:
    """Whether an address is a project folder."""
    return (Path(address) / "project.json").is_file()


def is_store(address: str) -> bool:
    """Whether an address is a store of strokes, as projects hold them."""
    path = Path(address)
    return path.name in _STORES and (path / "zarr.json").is_file()


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
        If it cannot be read, or a project is of another level.
    """
    if is_project(address):
        from napari_densify.project import Project

        project = Project.open(address, read_only=True)
        if level not in (0, project.document.image.level):
            raise InputError(
                f"the level of {address} was chosen when it was made",
                where="--level",
                mend="leave it out, or name the image itself",
            )
        volume = project.image()
        return volume.with_spacing(spacing) if spacing else volume
    from napari_densify.io import open_image

    return open_image(address, level=level, channels=channels, spacing=spacing)


def open_paint(
    address: str, shape: tuple[int, int, int] | None = None
) -> tuple[Annotations, ClassTable | None]:
    """Open annotations, or those of a project, with their class table if they have one.

    COCO and ilastik files become labels as they are proposed to be (``densify import``
    lets one choose); ``shape`` (Z, Y, X) is that of the image.
    """
    if is_project(address):
        from napari_densify.project import Project

        project = Project.open(address, read_only=True)
        return project.annotations(), project.classes
    if is_store(address):
        from napari_densify.annotations import AnnotationStore

        return AnnotationStore(address, read_only=True), None
    foreign = Path(address).suffix.lower() in _FOREIGN
    labels = _imported(address, shape) if foreign else _opened(address)
    small = math.prod(labels.shape) * labels.dtype.itemsize <= _IN_MEMORY_BYTES
    array = labels.read_labels() if small else labels.data
    return FileAnnotations(cast(Any, array)), labels.metadata.get("classes")


def _opened(address: str) -> Volume:
    from napari_densify.io import open_labels

    return open_labels(address)


def _imported(address: str, shape: tuple[int, int, int] | None) -> Volume:
    from napari_densify.io import apply_import, plan_import, read_import

    source = read_import(address, shape=shape)
    return apply_import(source, plan_import(source))


def open_label_volume(address: str) -> Volume:
    """Open labels as a volume, read piece by piece; of a project, its paint."""
    if is_project(address) or is_store(address):
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

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Read a part, given by integers and slices as numpy takes them."""
        wanted = key if isinstance(key, tuple) else (key,)
        wanted = tuple(k for k in wanted if k is not Ellipsis)
        wanted += (slice(None),) * (3 - len(wanted))
        z, y, x = (_side(k, n) for k, n in zip(wanted, self.shape, strict=True))
        box = self._annotations.read((z, y, x)).astype(self.dtype)
        part: npt.NDArray[Any] = box[tuple(0 if _is_number(k) else slice(None) for k in wanted)]
        return part


def _is_number(key: Any) -> bool:
    return not isinstance(key, slice)


def _side(key: Any, length: int) -> slice:
    """Bounds of an integer, or of a slice without a step."""
    if _is_number(key):
        start = range(length)[key]
        return slice(start, start + 1)
    start, stop, _ = key.indices(length)
    return slice(start, stop)


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
        from napari_densify.io import find_labels

        beside = find_labels(image)
        mend = (
            f"use what lies beside it: --annotations {beside}"
            if beside
            else ("name them with --annotations, or a project")
        )
        raise InputError("no annotations given", where=image, mend=mend)
    volume = open_volume(image, spacing=spacing, level=level, channels=channels)
    paint, classes = open_paint(source, volume.shape)
    require_shape(paint.shape, volume.shape, where=source, other=image)
    held_out: tuple[int, ...] = ()
    home = next((address for address in (source, image) if is_project(address)), "")
    if home:
        from napari_densify.project import Project

        project = Project.open(home, read_only=True)
        held_out, classes = project.held_out, classes or project.classes
    return Painted(volume, paint, classes, held_out, source)


def require_slices(held_out: Sequence[int], depth: int) -> None:
    """Refuse to hold out a slice that no image has.

    Raises
    ------
    InputError
        If one is beyond ``depth``, the number of slices.
    """
    outside = [z for z in held_out if z >= depth]
    if outside:
        raise InputError(
            f"there is no slice {outside[0]}", where="--held-out", mend=f"write 0 to {depth - 1}"
        )


def as_in_project(held_out: Sequence[int]) -> Notice:
    """Say which slices are held out because the project does so."""
    listed = ",".join(map(str, held_out))
    return Notice(
        message=f"slices {listed} are held out, as in the project (--held-out none: none)"
    )


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
