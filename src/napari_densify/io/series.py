"""A folder or pattern of slices, one file each, in natural order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.core.volume import ArrayLike
from napari_densify.io._address import Address, expand_glob, natural_key
from napari_densify.io._guard import guarded
from napari_densify.io._source import Source
from napari_densify.io.pairs import without_labels

__all__ = ["SliceSeries", "open_series", "slice_files"]

OpenFile = Callable[[Address, int], Source]


class SliceSeries:
    """Slices in files of their own, each opened only when it is looked at."""

    def __init__(self, files: list[Path], open_file: OpenFile, first: ArrayLike) -> None:
        self.files = files
        self._open = open_file
        self._slice_shape = tuple(first.shape)
        self.shape: tuple[int, ...] = (len(files), *self._slice_shape)
        self.dtype = np.dtype(first.dtype)

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Read a box given by one slice an axis."""
        wanted = self.files[key[0]]
        return np.stack([self._read(path, key[1:]) for path in wanted])

    def _read(self, path: Path, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        with guarded(str(path)):
            data = self._open(Address(str(path)), 0).data
            if tuple(data.shape) != self._slice_shape or np.dtype(data.dtype) != self.dtype:
                raise InputError(
                    f"this slice is {tuple(data.shape)} {data.dtype}, the first one "
                    f"{self._slice_shape} {self.dtype}",
                    where=str(path),
                    mend="all slices of a stack must have one size and type",
                )
            return np.asarray(data[key])


def slice_files(address: Address, suffixes: tuple[str, ...]) -> list[Path]:
    """Files of a folder or pattern that are slices, in natural order.

    Raises
    ------
    InputError
        If there are none, or of several kinds.
    """
    found = expand_glob(address) if address.is_glob else _visible_files(address.file)
    files = [p for p in found if p.suffix.lower() in suffixes]
    files = files if address.is_glob else without_labels(files)
    kinds = Counter(p.suffix.lower().replace("tiff", "tif").replace("jpeg", "jpg") for p in files)
    if not files:
        raise InputError(
            "holds no slices that can be read",
            where=address.path,
            mend=f"give a folder of files ending in {', '.join(suffixes)}",
        )
    if len(kinds) > 1:
        raise InputError(
            f"holds several kinds of files ({', '.join(sorted(kinds))})",
            where=address.path,
            mend=f"choose one with a pattern, for example {address.path}/*{min(kinds)}",
        )
    return files


def _visible_files(folder: Path) -> list[Path]:
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return sorted(files, key=lambda p: natural_key(p.name))


def open_series(address: Address, files: list[Path], open_file: OpenFile) -> Source:
    """Open slices as one volume; only the first file is touched."""
    first = open_file(Address(str(files[0])), 0)
    if len(files) == 1:
        return first
    depth = [n for a, n in zip(first.axes, first.data.shape, strict=True) if a not in "YXCS"]
    if any(n > 1 for n in depth):
        raise InputError(
            f"{files[0].name} is a stack of its own ({depth[0]} pages), not a slice",
            where=address.path,
            mend="open one of the files",
        )
    z, y, x = first.spacing
    return Source(
        data=SliceSeries(files, open_file, first.data),
        axes="Z" + first.axes.replace("Z", "?"),
        format=f"{len(files)} {first.format} slices",
        spacing=(z if "Z" in first.axes else None, y, x),
        chunks=(1, *first.data.shape),
        classes=first.classes,
        channel_names=first.channel_names,
        notes=first.notes,
    )
