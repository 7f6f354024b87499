"""A project: the folder that viewer, engine and command line work on together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from napari_densify.annotations import AnnotationStore, PaintedArray
from napari_densify.core.errors import InputError
from napari_densify.core.files import remove_tree, replace
from napari_densify.core.labels import ClassTable, label_dtype
from napari_densify.core.volume import ArrayLike, Spacing, Volume
from napari_densify.project.document import (
    ImageReference,
    ProjectDocument,
    read_document,
    validate_document,
    write_document,
)
from napari_densify.project.image import copy_blockwise, find_image, refer, require_image
from napari_densify.project.lock import ProjectLock
from napari_densify.project.methods import methods_text
from napari_densify.project.shared import SharedFolder

__all__ = ["Project"]

_IMAGE = "image.zarr"


class Project(SharedFolder):
    """An opened project folder; made by :meth:`create` or :meth:`open`.

    One process at a time may change image, classes and strokes; rounds,
    predictions and history may be added by any (they never touch what is there).

    Attributes
    ----------
    path
        The folder.
    notice
        Why it is read-only although it was to be changed; one line for the user.
    document
        What ``project.json`` says; frozen, see :meth:`update`.
    """

    def __init__(self, path: Path, document: ProjectDocument, lock: ProjectLock | None) -> None:
        super().__init__(path)
        self.document = document
        self._lock = lock
        self._image: Volume | None = None
        self.notice = f"{path.name} is {lock.refusal}" if lock and lock.refusal else ""

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        shape: Sequence[int],
        image: str = "",
        spacing: Spacing = (1.0, 1.0, 1.0),
        spacing_known: bool = False,
        classes: ClassTable | None = None,
        level: int = 0,
        channels: Sequence[int] | None = None,
    ) -> Project:
        """Make a project folder and open it.

        Parameters
        ----------
        path
            New folder, by custom ``NAME.densify``.
        shape
            Voxels of the image along Z, Y, X.
        image
            Address that the image can be opened from again; empty for one in
            memory, which :meth:`import_array` then copies into the folder.
        spacing, spacing_known
            Voxel size (Z, Y, X) in nm, and whether it is more than an assumption;
            if not, that of the image is taken where it states one.
        classes
            Class table; background (1) and foreground (2) by default.
        level, channels
            Level and channels of the image to work on.

        Raises
        ------
        InputError
            If the folder exists already or cannot be written, or if the image
            cannot be opened or has another shape.
        """
        path = Path(path).absolute()
        if path.exists():
            raise InputError(
                "exists already", where=str(path), mend="open it, or choose another name"
            )
        content: dict[str, Any] = {
            "shape": tuple(shape),
            "spacing": spacing,
            "spacing_known": spacing_known,
            "classes": classes or ClassTable.default(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        document = validate_document(content, where=str(path))
        if image:
            wanted = ImageReference(address=image, level=level, use_channels=channels)
            volume, reference = refer(wanted, document.shape, path)
            content["image"] = reference
            if volume.spacing_known and not spacing_known:
                content |= {"spacing": volume.spacing, "spacing_known": True}
            document = validate_document(content, where=str(path))
        _make_folder(path, document)
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False) -> Project:
        """Open a project folder.

        Parameters
        ----------
        path
            The folder, or its ``project.json``.
        read_only
            Only look. Where another process holds the project it is opened so in
            any case, and ``notice`` tells why.

        Raises
        ------
        InputError
            If it is not a project, or made by a newer version of this package.
        """
        path = Path(path).absolute()
        path = path.parent if path.name == "project.json" else path
        read_document(path / "project.json")
        lock = None if read_only else ProjectLock(path)
        return cls(path, read_document(path / "project.json"), lock)

    def close(self) -> None:
        """Let other processes change the project."""
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def read_only(self) -> bool:
        """Whether this process may not change image, classes and strokes."""
        return self._lock is None or not self._lock.held

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along Z, Y, X."""
        return self.document.shape

    @property
    def spacing(self) -> Spacing:
        """Voxel size (Z, Y, X) in nm."""
        return self.document.spacing

    @property
    def classes(self) -> ClassTable:
        """Class table."""
        return self.document.classes

    @property
    def held_out(self) -> tuple[int, ...]:
        """Slices that are never trained on, but scored."""
        return self.document.held_out

    def update(self, **changes: Any) -> None:
        """Change entries of the document and save it.

        Raises
        ------
        InputError
            If the project is read-only, a value is not valid, or there is no room;
            then nothing has changed.
        """
        self._require_writable()
        content = {**dict(self.document), **changes}
        document = validate_document(content, where=str(self.path))
        self._require_codes(document.classes)
        write_document(self.path / "project.json", document)
        self.document = document

    def set_held_out(self, slices: Iterable[int], held_out: bool = True) -> None:
        """Mark slices as held out, or give them back to training."""
        marked, change = set(self.held_out), {int(z) for z in slices}
        self.update(held_out=tuple(marked | change if held_out else marked - change))

    def note_copied(self, slices: Iterable[int], copied: bool = True) -> None:
        """Note that paint on some slices was copied there, or that none of it is left."""
        known, change = set(self.document.copied), {int(z) for z in slices}
        now = known | change if copied else known - change
        if now != known:
            self.update(copied=tuple(now))

    def image(self) -> Volume:
        """Open the image, with the voxel size that the project states.

        Raises
        ------
        InputError
            If it is not where it was, or is another one now.
        """
        if self._image is None:
            self._image = find_image(self.document.image, self.shape, self.path)
        if self.document.spacing_known:
            return self._image.with_spacing(self.spacing)
        return self._image

    def import_array(
        self,
        array: ArrayLike,
        *,
        name: str = "image",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Copy an array into the folder, blockwise, and make it the project's image.

        Parameters
        ----------
        array
            ``(Z, Y, X)`` or ``(C, Z, Y, X)``; anything that can be sliced.
        name
            Name of the layer that it comes from.
        progress
            Called with blocks done and blocks in all.

        Raises
        ------
        InputError
            If the shape is not that of the project, or there is no room.
        """
        self._require_writable()
        require_image(Volume(array), shape=self.shape, where=name)
        target = self.path / _IMAGE
        copy_blockwise(
            array,
            target,
            spacing=self.spacing,
            spacing_known=self.document.spacing_known,
            progress=progress,
        )
        _, reference = refer(ImageReference(address=str(target)), self.shape, self.path)
        self.update(image=reference.model_copy(update={"address": "", "name": name}))
        self._image = None

    def relocate_image(self, address: str, *, anyway: bool = False) -> None:
        """Say where the image is now.

        Parameters
        ----------
        address
            Path, URL or ``FILE::dataset``.
        anyway
            Take it even if its voxels are not those that were painted on.

        Raises
        ------
        InputError
            If it cannot be opened, has another shape, or (unless ``anyway``) other voxels.
        """
        self._require_writable()
        old = self.document.image
        wanted = old.model_copy(update={"address": address})
        _, reference = refer(wanted, self.shape, self.path)
        if old.checksum and reference.checksum != old.checksum and not anyway:
            raise InputError(
                "is another image than the one that was painted on",
                where=address,
                mend="choose the right one, or confirm that this one is to be used (--anyway)",
            )
        self.update(image=reference)
        self._image = None

    def painted(self, **callbacks: Any) -> PaintedArray:
        """Strokes to paint on, for a Labels layer; see :class:`PaintedArray`."""
        store = AnnotationStore(self.path / "annotations.zarr", read_only=self.read_only)
        return PaintedArray(store, **callbacks)

    def export_methods(self) -> str:
        """Write down what the methods section of a paper needs, as Markdown."""
        counts = self.annotations().slice_counts()
        return methods_text(self.document, counts, self.rounds(), self.history())

    def _require_codes(self, classes: ClassTable) -> None:
        """Refuse codes that the array of annotations cannot hold."""
        largest = max(classes.values, default=0)
        if largest > 255 and np.iinfo(self.annotations().dtype).max < largest:
            raise InputError(
                f"code {largest} does not fit this project's annotations",
                where=str(self.path),
                mend="make a new project whose class table has codes past 255 from the start",
            )

    def _require_writable(self) -> None:
        if self.read_only:
            raise InputError(
                self.notice or "the project is open read-only",
                where=str(self.path),
                mend="close the other viewer and open the project again",
            )


def _make_folder(path: Path, document: ProjectDocument) -> None:
    """Build the folder aside and rename it, so that no half-made project exists."""
    try:
        aside = path.with_name(f".{path.name}.{uuid4().hex}")
        aside.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})", where=str(path)
        ) from None
    try:
        dtype = label_dtype(max(document.classes.values, default=0))
        AnnotationStore.create(aside / "annotations.zarr", shape=document.shape, dtype=dtype)
        write_document(aside / "project.json", document)
        replace(aside, path)
    except BaseException:
        remove_tree(aside)
        raise
