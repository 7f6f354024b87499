"""``project.json``: what a project knows about itself, and how older versions are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from napari_densify.core.base import Settings
from napari_densify.core.errors import InputError
from napari_densify.core.files import atomic_write_json, read_replaced
from napari_densify.core.labels import ClassTable

__all__ = ["VERSION", "ImageReference", "ProjectDocument", "read_document", "write_document"]

VERSION: Literal[2] = 2


class ImageReference(Settings):
    """Where the image is, and enough to know it again."""

    address: str = Field("", description="Absolute path, URL or FILE::dataset")
    relative: str = Field("", description="The same seen from the project folder")
    level: int = Field(0, ge=0, description="Level of a multiscale image")
    use_channels: tuple[int, ...] | None = Field(None, description="Channels used; None: all")
    name: str = ""
    dtype: str = ""
    channels: int = Field(1, ge=1, description="Channels that it has, of those used")
    checksum: str = Field("", description="Of a few small blocks; empty: unknown")

    def __bool__(self) -> bool:
        """Whether there is an image yet."""
        return bool(self.address or self.relative)


class ProjectDocument(Settings):
    """Content of ``project.json``."""

    version: Literal[2] = VERSION
    image: ImageReference = ImageReference()
    shape: tuple[int, int, int] = Field(description="Voxels along Z, Y, X")
    spacing: tuple[float, float, float] = Field((1.0, 1.0, 1.0), description="Z, Y, X in nm")
    spacing_known: bool = False
    classes: ClassTable = Field(default_factory=ClassTable.default)
    held_out: tuple[int, ...] = Field((), description="Slices never trained on, for scoring")
    copied: tuple[int, ...] = Field(
        (), description="Slices with paint copied from a prediction or an interpolation"
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Of the steps, by name")
    created: str = ""

    @field_validator("held_out", "copied")
    @classmethod
    def _ascending(cls, slices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(slices)))

    @model_validator(mode="after")
    def _check(self) -> ProjectDocument:
        if min(self.shape) < 1:
            raise ValueError(f"shape {self.shape} is empty")
        if not all(s > 0 for s in self.spacing):
            raise ValueError(f"voxel size {self.spacing} is not positive")
        outside = [z for z in self.held_out if not 0 <= z < self.shape[0]]
        if outside:
            raise ValueError(f"held-out slice {outside[0]} is outside 0..{self.shape[0] - 1}")
        return self


def _from_1(content: dict[str, Any]) -> dict[str, Any]:
    """Version 2 looks for the image beside the project too, so that both can be moved."""
    image = dict(content.get("image") or {})
    address = str(image.get("address", ""))
    if address == "image.zarr":
        image |= {"address": "", "relative": address}
    elif address and "://" not in address:
        file, separator, dataset = address.replace("\\", "/").partition("::")
        image["relative"] = "../" + file.rsplit("/", 1)[-1] + separator + dataset
    return {**content, "image": image}


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
"""How a document of version N becomes one of version N + 1."""


def read_document(path: Path) -> ProjectDocument:
    """Read ``project.json`` of this or any older version.

    Raises
    ------
    InputError
        If it is missing, damaged, or of a newer version.
    """
    try:
        content = json.loads(read_replaced(path).decode())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            "not a project (it holds no project.json)", where=str(path.parent)
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", where=str(path)) from None
    return validate_document(migrate(content, path), where=str(path))


def migrate(content: Any, path: Path) -> dict[str, Any]:
    """Bring the content of a ``project.json`` to the present version.

    Raises
    ------
    InputError
        If it is of a newer version, states none, or is damaged.
    """
    version = content.get("version") if isinstance(content, dict) else None
    if not isinstance(version, int) or version < 1:
        raise InputError("damaged: it states no version", where=str(path))
    if version > VERSION:
        raise InputError(
            f"made by a newer napari-densify (format {version}, this one reads up to {VERSION})",
            where=str(path),
            mend="update napari-densify: pip install -U napari-densify",
        )
    try:
        for older in range(version, VERSION):
            content = {**MIGRATIONS[older](content), "version": older + 1}
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"damaged: version {version} cannot be read ({error})", where=str(path)
        ) from None
    return dict(content)


def validate_document(content: dict[str, Any], *, where: str) -> ProjectDocument:
    """Build a document; what is wrong with it becomes one clear line.

    Raises
    ------
    InputError
        Naming the first entry that is not valid.
    """
    try:
        return ProjectDocument.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{place}: {message}" if place else message, where=where) from None


def write_document(path: Path, document: ProjectDocument) -> None:
    """Write ``project.json`` in one step.

    Raises
    ------
    InputError
        If there is no room or no permission; the old one is then intact.
    """
    try:
        atomic_write_json(path, document.model_dump(mode="json"))
    except OSError as error:
        raise InputError(
            f"cannot be saved ({error.strerror or error})",
            where=str(path),
            mend="free some room; the last saved state is intact",
        ) from None
