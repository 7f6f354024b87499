"""Strokes painted in an ilastik project (.ilp)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.io._address import Address
from napari_densify.io._guard import guarded
from napari_densify.io._hdf5_heap import require_sound_heaps
from napari_densify.io._import_source import ImportItem, ImportSource
from napari_densify.io._lazy import LazyArray, order_axes
from napari_densify.io.hdf5 import load_h5py, stated_axes

__all__ = ["read_ilastik"]

_SETS = "PixelClassification/LabelSets"
_RANGE = re.compile(r"(\d+):(\d+)")
_MOST_VOXELS = 2**33


def read_ilastik(address: Address, shape: tuple[int, int, int] | None) -> ImportSource:
    """Read the painted labels of one image of a pixel classification project.

    Parameters
    ----------
    address
        ``PROJECT.ilp`` or ``PROJECT.ilp::N`` for its N-th image.
    shape
        Shape (Z, Y, X) of the image, if the project doesn't state it.

    Raises
    ------
    InputError
        If there are no strokes, or they lie outside the image.
    """
    with guarded(address.text, "cannot be read as ilastik project"):
        require_sound_heaps(address.file)
    lane = int(address.dataset) if address.dataset.isdecimal() else 0
    with (
        guarded(address.text, "cannot be read as ilastik project"),
        load_h5py(address.path).File(address.path, "r") as file,
    ):
        name = f"{_SETS}/labels{lane:03d}"
        blocks = list(file[name].values()) if name in file else []
        if not blocks:
            raise InputError("holds no painted labels", mend="paint and save in ilastik first")
        pieces = [(_bounds(b.attrs["blockSlice"]), np.asarray(b)) for b in blocks]
        info = file.get(f"Input Data/infos/lane{lane:04d}/Raw Data")
        axes, full = _layout(info, pieces, shape)
        names = [_text(n) for n in np.ravel(file.get("PixelClassification/LabelNames", []))]
        colors = np.reshape(file.get("PixelClassification/LabelColors", []), (-1, 3)).astype(int)
    codes = _paste(axes, full, pieces, address.text)
    counts = np.bincount(codes.ravel())
    items = tuple(
        ImportItem(
            code,
            f"label {code}" if code else "not painted",
            names[code - 1] if 0 < code <= len(names) else "",
            "#" + bytes(colors[code - 1].clip(0, 255).tolist()).hex()
            if 0 < code <= len(colors)
            else "",
            int(n),
        )
        for code, n in enumerate(counts)
        if n
    )
    return ImportSource("ilastik project", address.text, codes, items)


Piece = tuple[tuple[slice, ...], npt.NDArray[Any]]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bounds(text: Any) -> tuple[slice, ...]:
    """Parse ``[0:1,10:20,5:9,0:1]``."""
    return tuple(slice(int(a), int(b)) for a, b in _RANGE.findall(_text(text)))


def _layout(
    info: Any, pieces: list[Piece], shape: tuple[int, int, int] | None
) -> tuple[str, tuple[int, ...]]:
    """Axes of the blocks and full shape, from the project or the caller's image."""
    n = len(pieces[0][0])
    axes = stated_axes(info["axistags"][()], n) if info is not None and "axistags" in info else ""
    axes = axes or {3: "YXC", 4: "ZYXC", 5: "TZYXC"}.get(n, "?" * n)
    if info is not None and "shape" in info:
        stated = tuple(int(m) for m in info["shape"][()])
        if len(stated) == n:
            return axes, tuple(1 if a == "C" else m for a, m in zip(axes, stated, strict=True))
    if shape is None:
        raise InputError("does not state the shape of its image", mend="open the image first")
    sizes = dict(zip("ZYX", shape, strict=True))
    return axes, tuple(sizes.get(a, 1) for a in axes)


def _paste(axes: str, shape: tuple[int, ...], pieces: list[Piece], where: str) -> npt.NDArray[Any]:
    """All strokes as one dense (Z, Y, X) array."""
    if np.prod(shape, dtype=object) > _MOST_VOXELS:
        raise InputError(f"its image of shape {shape} is too large to import", where=where)
    dense = np.zeros(shape, np.uint8)
    for bounds, values in pieces:
        if any(s.stop > n for s, n in zip(bounds, shape, strict=True)):
            raise InputError(f"strokes at {bounds} lie outside the image {shape}", where=where)
        target = dense[bounds]
        if target.shape != values.shape:
            raise InputError(f"strokes at {bounds} have shape {values.shape}", where=where)
        np.copyto(target, values, where=values > 0, casting="unsafe")
    roles, _ = order_axes(axes, shape, where)
    return LazyArray(dense, roles, where=where)[...]
