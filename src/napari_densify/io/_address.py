"""Addresses: a path, a URL, a glob, or ``FILE::dataset``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from napari_densify.core.errors import InputError

__all__ = ["Address", "expand_glob", "natural_key", "parse_address"]

_URL = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Address:
    """Where an image is.

    Attributes
    ----------
    path
        Path, URL or glob, as given.
    dataset
        What follows ``::``: a data set inside the file; empty for the default one.
    """

    path: str
    dataset: str = ""

    @property
    def is_url(self) -> bool:
        """Whether this is an fsspec address and not a local path."""
        return bool(_URL.match(self.path))

    @property
    def is_glob(self) -> bool:
        """Whether the path is a pattern (a file of exactly this name comes first)."""
        return not self.is_url and has_magic(self.path) and not Path(self.path).exists()

    @property
    def file(self) -> Path:
        """The local path."""
        return Path(self.path)

    @property
    def text(self) -> str:
        """The address as the user writes it."""
        return f"{self.path}::{self.dataset}" if self.dataset else self.path

    @property
    def name(self) -> str:
        """Short name for layers and tables."""
        stem = self.path.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
        for suffix in (".ome.tiff", ".ome.tif", ".ome.zarr", ".nii.gz"):
            if stem.lower().endswith(suffix):
                return stem[: -len(suffix)] + (f" {self.dataset}" if self.dataset else "")
        stem = stem.rsplit(".", 1)[0] or stem
        return f"{stem} {self.dataset}" if self.dataset else stem


def parse_address(address: str | Path | Address) -> Address:
    """Split an address; a local path must exist.

    Raises
    ------
    InputError
        If it is empty, or there is no such file, folder or match of the pattern, or
        the file is empty.
    """
    if isinstance(address, Address):
        return address
    text = str(address)
    if not text.strip() or "\0" in text:
        raise InputError("no file given", where=repr(text))
    found = Address(text) if Path(text).exists() else Address(*text.split("::", 1))
    if found.is_url:
        return found
    if found.is_glob:
        expand_glob(found)
    elif not found.file.exists():
        raise InputError("no such file or folder", where=found.path)
    elif found.file.is_file() and found.file.stat().st_size == 0:
        raise InputError("the file is empty", where=found.path, mend="copy or export it again")
    return found


def expand_glob(address: Address) -> list[Path]:
    """Files that match a pattern, in natural order.

    Raises
    ------
    InputError
        If nothing matches.
    """
    files = sorted((Path(p) for p in glob(address.path)), key=lambda p: natural_key(p.name))
    if not files:
        raise InputError("no file matches this pattern", where=address.path)
    return files


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``z2`` before ``z10``."""
    parts = _DIGITS.split(name.lower())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p]
