"""Which image a project can be made of: facts of a napari layer, checked in one place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_densify.core.errors import InputError
from napari_densify.core.files import remove_tree
from napari_densify.core.labels import ClassTable
from napari_densify.core.sizes import say_bytes
from napari_densify.core.volume import Spacing, Volume
from napari_densify.io import open_image, open_labels
from napari_densify.plugin.arrays import ChannelView
from napari_densify.plugin.layers import spacing_of
from napari_densify.plugin.places import proposed_folder
from napari_densify.project import (
    Project,
    checksum,
    import_edits,
    require_import_shape,
    same_image,
)

__all__ = [
    "CLASSES",
    "PAINT",
    "Candidate",
    "candidate_of",
    "candidate_or_none",
    "choose_part",
    "make_project",
    "open_with_image",
    "stack_of",
]

CLASSES = "densify_classes"
"""Key of a layer's metadata: the class table that goes with it."""

PAINT = "densify_paint"
"""Key of a layer's metadata: file of sparse annotations that a project of it begins with."""


@dataclass(frozen=True)
class Candidate:
    """An image that could be worked on.

    Attributes
    ----------
    array
        What the layer holds; ``(Z, Y, X)``, or ``(Y, X)`` for a single slice.
    address
        Where it was read from, as far as the layer knows; empty if nowhere.
    channel
        Which channel of ``address`` the layer shows.
    channels
        Those that the network gets, where it is more than ``channel`` alone.
    level
        Pyramid level of ``address`` to work on; ``array`` is that level.
    classes
        Class table that a project begins with; None for the usual one.
    paint
        File of annotations that it begins with; empty for none.
    """

    name: str
    array: Any
    address: str
    spacing: Spacing
    spacing_known: bool
    channel: int | None = None
    channels: tuple[int, ...] = ()
    level: int = 0
    classes: ClassTable | None = None
    paint: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along Z, Y, X."""
        z, y, x = (1, *self.array.shape)[-3:]
        return int(z), int(y), int(x)

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return int(np.prod(self.shape, dtype=object)) * np.dtype(self.array.dtype).itemsize

    @property
    def folder(self) -> Path:
        """Where its project is proposed."""
        return proposed_folder(self.name, self.address, self.shape)

    def volume(self) -> Volume:
        """Return the array as a volume with three axes."""
        array = self.array if len(self.array.shape) == 3 else OneSlice(self.array)
        return Volume(array, self.spacing, self.spacing_known, self.name)

    def describe(self) -> str:
        """Size and type in one line."""
        z, y, x = self.shape
        return f"{z} × {y} × {x} voxels, {np.dtype(self.array.dtype)}, {say_bytes(self.nbytes)}"


class OneSlice:
    """A 2D image as a volume with one slice; nothing is read before it is needed."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape = (1, *array.shape)
        self.dtype = array.dtype

    def __getitem__(self, key: Any) -> Any:
        z, *rest = key if isinstance(key, tuple) else (key,)
        return np.asarray(self._array[tuple(rest)])[None][z]


def stack_of(layer: Any) -> Any:
    """Finest level of a layer's data as ``(Z, Y, X)``; a 2D layer is a volume with one slice."""
    data = layer.data[0] if layer.multiscale else layer.data
    return OneSlice(data) if layer.ndim == 2 else data


def candidate_of(layer: Any) -> Candidate:
    """Say what a project of this image layer would work on.

    Raises
    ------
    InputError
        If the layer is a colour image, a time series, rotated, or moved by an affine.
    """
    if layer.rgb:
        raise InputError("is a colour image", where=layer.name, mend="split it into channels")
    if layer.ndim > 3:
        raise InputError(
            f"has {layer.ndim} axes",
            where=layer.name,
            mend="extract one time point or channel first (right-click, Split Stack)",
        )
    if not np.allclose(layer.rotate, np.eye(layer.ndim)) or np.any(np.asarray(layer.shear)):
        raise InputError("is rotated or sheared", where=layer.name, mend="resample it first")
    if not np.allclose(layer.affine.affine_matrix, np.eye(layer.ndim + 1)):
        raise InputError(
            "is moved by an affine transform, which voxels don't follow",
            where=layer.name,
            mend="resample it first, or reset its affine",
        )
    spacing, known = spacing_of(layer)
    array = layer.data[0] if layer.multiscale else layer.data
    meta = layer.metadata
    address = meta.get("densify_source") or meta.get("source") or layer.source.path or ""
    return Candidate(
        layer.name,
        array,
        str(address),
        spacing,
        known,
        channel=meta.get("densify_channel"),
        classes=ClassTable.model_validate(meta[CLASSES]) if CLASSES in meta else None,
        paint=str(meta.get(PAINT, "")),
    )


def candidate_or_none(layer: Any) -> Candidate | None:
    """As `candidate_of`, but None for no layer and one that can't be used."""
    try:
        return None if layer is None else candidate_of(layer)
    except InputError:
        return None


def choose_part(candidate: Candidate, channels: tuple[int, ...], level: int) -> Candidate:
    """Take several channels, or a coarser level, of the file that a layer shows.

    Raises
    ------
    InputError
        If the file can't be opened (any more).
    """
    if not level:
        return replace(candidate, channels=channels)
    shown = None if candidate.channel is None else [candidate.channel]
    volume = open_image(candidate.address, level=level, channels=shown)
    factors = [a / b for a, b in zip(candidate.shape, volume.shape, strict=True)]
    z, y, x = (s * f for s, f in zip(candidate.spacing, factors, strict=True))
    spacing = volume.spacing if volume.spacing_known else (z, y, x)
    return replace(candidate, array=volume.data, spacing=spacing, channels=channels, level=level)


def reopens_identically(candidate: Candidate) -> bool:
    """Whether opening the address again gives the same voxels, by samples."""
    if not candidate.address:
        return False
    channels = None if candidate.channel is None else [candidate.channel]
    try:
        again = open_image(candidate.address, level=candidate.level, channels=channels)
        return same_image(candidate.volume(), again)
    except (InputError, OSError):
        return False


def open_with_image(folder: Path, shown: Candidate | None) -> tuple[Project, bool]:
    """Open a project, and its image already: that may take time on a slow disk.

    Return also whether its image is what is shown.

    Raises
    ------
    InputError
        If it is no project, or its image is elsewhere or damaged.
    """
    project = Project.open(folder)
    try:
        project.image()
        return project, shown is not None and _shows_image_of(shown, project)
    except BaseException:
        project.close()
        raise


def _shows_image_of(candidate: Candidate, project: Project) -> bool:
    """Whether a layer shows the image of a project, or one of its channels, by samples."""
    image, shown = project.image(), checksum(candidate.volume())
    if image.channels == 1:
        return checksum(image) == shown
    channels = (ChannelView(image.data, i) for i in range(image.channels))
    return any(checksum(Volume(channel)) == shown for channel in channels)


def make_project(
    candidate: Candidate,
    path: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Project:
    """Make a project that refers to the image, or holds a copy where there is no file.

    Raises
    ------
    InputError
        If the folder exists or cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = reopens_identically(candidate)
    if candidate.channels and not kept:
        raise InputError(
            "is not the file's voxels any more", where=candidate.name, mend="open the file again"
        )
    alone = None if candidate.channel is None else (candidate.channel,)
    project = Project.create(
        path,
        shape=candidate.shape,
        image=candidate.address if kept else "",
        spacing=candidate.spacing,
        spacing_known=candidate.spacing_known,
        classes=candidate.classes,
        level=candidate.level if kept else 0,
        channels=(candidate.channels or alone) if kept else None,
    )
    try:
        if not kept:
            project.import_array(candidate.volume().data, name=candidate.name, progress=progress)
        if candidate.paint:
            _take_paint(project, candidate.paint)
    except BaseException:
        project.close()
        with suppress(OSError):
            remove_tree(path)  # nobody has painted in it yet; the name is free for the next attempt
        raise
    return project


def _take_paint(project: Project, address: str) -> None:
    labels, paint = open_labels(address), project.painted()
    try:
        require_import_shape(labels, project.shape)
        for edit in import_edits(labels, paint):
            edit.apply(paint)
        voxels = sum(paint.counts().values())
    finally:
        paint.close()
    project.log("import", {"source": address, "voxels": voxels, "zero": "unlabelled"})
