"""Where the image of a project is, also after folders were moved."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["absolute", "beside", "candidates"]


def absolute(address: str) -> str:
    """Make a local address independent of the working folder; URLs stay as they are."""
    if _is_url(address):
        return address
    file, separator, dataset = address.partition("::")
    return os.path.abspath(file) + separator + dataset


def beside(address: str, folder: Path) -> str:
    """Write a local address relative to the project folder.

    Returns
    -------
    The address with forward slashes on every system; empty for URLs and for files
    on another drive.
    """
    if _is_url(address):
        return ""
    file, separator, dataset = address.partition("::")
    try:
        path = os.path.relpath(file, folder)
    except ValueError:
        return ""
    return Path(path).as_posix() + separator + dataset


def candidates(address: str, relative: str, folder: Path) -> list[str]:
    """Addresses at which to look for an image, the likeliest first.

    Parameters
    ----------
    address
        Where it was, absolute.
    relative
        Where it was, relative to the project folder: right if both were moved together.
    folder
        Where the project folder is now.
    """
    file, separator, dataset = relative.partition("::")
    moved = os.path.normpath(folder / file) + separator + dataset if relative else ""
    return list(dict.fromkeys(a for a in (moved, address) if a))


def _is_url(address: str) -> bool:
    return "://" in address
