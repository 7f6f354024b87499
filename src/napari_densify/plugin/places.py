"""Where a new project is proposed, and what its folder is called."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

from napari_densify import data
from napari_densify.core.errors import InputError
from napari_densify.io import SUFFIXES
from napari_densify.project import Project

__all__ = ["default_folder", "proposed_folder"]

_ENDINGS = (*SUFFIXES, ".ome", ".densify")
_FORBIDDEN = re.compile(r'\s*[<>:"/\\|?*\x00-\x1f]+\s*')  # on Windows; shared disks go there too


def default_folder(name: str, source: str) -> Path:
    """Where a project belongs: beside the file if that can be, else in the home folder.

    Parameters
    ----------
    name
        Of the layer.
    source
        Path, URL or ``FILE::dataset`` of its image; empty if it has none.
    """
    path = Path(source.partition("::")[0]) if source and "://" not in source else None
    if path is None or not _is_the_users(path.parent):
        return Path.home() / "Densify" / f"{_plain(name)}.densify"
    return path.parent / f"{_plain(path.name)}.densify"


def proposed_folder(name: str, source: str, shape: tuple[int, int, int]) -> Path:
    """As `default_folder`, with a number where that holds something else already.

    Parameters
    ----------
    name, source
        See `default_folder`.
    shape
        Voxels of the image along Z, Y, X.
    """
    first = default_folder(name, source)
    others = (first.with_name(f"{first.stem}-{n}.densify") for n in itertools.count(2))
    folders = itertools.chain([first], others)
    return next(f for f in folders if not f.exists() or _may_hold(f, source, shape))


def _may_hold(folder: Path, source: str, shape: tuple[int, int, int]) -> bool:
    """Whether a folder is a project of an image, as far as can be told without reading that."""
    try:
        document = Project.open(folder, read_only=True).document
    except (InputError, OSError):
        return False
    image = document.image
    if image.level == 0 and document.shape != shape:
        return False
    return not (source and image.address) or _last_part(source) == _last_part(image.address)


def _last_part(address: str) -> str:
    """Name and dataset of an address: the folder may have been moved."""
    return re.split(r"[/\\]", address.rstrip("/\\"))[-1]


def _plain(name: str) -> str:
    """Name without the endings of image files, as every system can have it."""
    while ending := next((s for s in _ENDINGS if name.lower().endswith(s)), ""):
        name = name[: -len(ending)]
    return _FORBIDDEN.sub("-", name).strip(" .-") or "volume"


def _is_the_users(folder: Path) -> bool:
    """Whether projects can be made in a folder; bundled samples lie in the installed package."""
    return os.access(folder, os.W_OK) and not folder.is_relative_to(Path(data.__file__).parent)
