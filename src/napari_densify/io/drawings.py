"""Outlines and points, as napari's Shapes and Points layers hold them, drawn into voxels."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.io._address import Address
from napari_densify.io._guard import guarded
from napari_densify.io._import_source import ImportItem, ImportSource

__all__ = ["Drawing", "drawing_source", "read_napari_csv"]

_CLASS_COLUMNS = ("class", "label", "name")
_LINES = ("line", "path")
_CORNERS = {"polygon": 3, "rectangle": 3, "ellipse": 4, "line": 2, "path": 2, "point": 1}
_FARTHEST = 1e6
_MOST_BYTES = 2**28


@dataclass(frozen=True)
class Drawing:
    """One shape or point on a slice.

    Attributes
    ----------
    kind
        ``polygon``, ``rectangle``, ``ellipse``, ``line``, ``path`` or ``point``.
    vertices
        ``(N, 3)`` voxel coordinates (Z, Y, X); an ellipse by the corners around it.
    key
        What it is; drawings of one key become one class.
    color
        ``#rrggbb``, or empty.
    width
        Of lines, and diameter of points, in voxels.
    """

    kind: str
    vertices: npt.NDArray[np.float64]
    key: str = "drawn"
    color: str = ""
    width: float = 1.0

    def mask(self, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Voxels of a ``(Y, X)`` slice that it covers."""
        from skimage.draw import ellipse, polygon

        y, x = self.vertices[:, 1], self.vertices[:, 2]
        mask = np.zeros(size, bool)
        if self.kind == "point":
            mask[_disc(y[0], x[0], self.width / 2, size)] = True
        elif self.kind in _LINES:
            mask = _line(self.vertices[:, 1:], self.width, size)
        elif self.kind == "ellipse":
            rows, columns, angle = _axes(self.vertices[:, 1:])
            mask[ellipse(y.mean(), x.mean(), rows, columns, size, rotation=angle)] = True
        else:
            mask[polygon(y, x, size)] = True
        return mask


def _disc(y: float, x: float, radius: float, size: tuple[int, int]) -> Any:
    from skimage.draw import disk

    # The voxel under the point belongs to it, however small it is drawn.
    return disk((round(y), round(x)), max(radius, 0.5) + 1e-6, shape=size)


def _line(points: npt.NDArray[Any], width: float, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    from scipy.ndimage import distance_transform_edt
    from skimage.draw import line

    away = np.ones(size, bool)
    for (y0, x0), (y1, x1) in pairwise(points):
        rows, columns = line(round(y0), round(x0), round(y1), round(x1))
        inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
        away[rows[inside], columns[inside]] = False
    if away.all():
        return ~away
    near: npt.NDArray[np.bool_] = distance_transform_edt(away) <= max(0.0, (width - 1) / 2)
    return near


def _axes(corners: npt.NDArray[Any]) -> tuple[float, float, float]:
    """Half axes and rotation of the ellipse within four corners."""
    first, second = corners[1] - corners[0], corners[2] - corners[1]
    rows, columns = float(np.hypot(*second)) / 2, float(np.hypot(*first)) / 2
    angle = float(np.arctan2(-first[0], first[1]))
    return max(rows, 0.5), max(columns, 0.5), angle


class Drawn:
    """Slices drawn when they are asked for; where drawings overlap the later one wins."""

    def __init__(self, slices: dict[int, list[tuple[int, Drawing]]], shape: Sequence[int]) -> None:
        self._slices = slices
        self.shape: tuple[int, ...] = tuple(shape)
        self.dtype: np.dtype[Any] = np.dtype(np.uint16)

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[np.uint16]:
        planes = [self.draw(z)[key[1:]] for z in range(self.shape[0])[key[0]]]
        return np.stack(planes)

    def draw(self, z: int) -> npt.NDArray[np.uint16]:
        """Return the codes of one slice."""
        plane = np.zeros(self.shape[1:], np.uint16)
        for code, drawing in self._slices.get(z, ()):
            plane[drawing.mask((self.shape[1], self.shape[2]))] = code
        return plane

    def counts(self) -> Counter[int]:
        """Voxels of each code."""
        found: Counter[int] = Counter()
        for z in self._slices:
            values, numbers = np.unique(self.draw(z), return_counts=True)
            found.update(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
        blank = self.shape[0] - len(self._slices)
        found[0] += blank * self.shape[1] * self.shape[2]
        return found


def drawing_source(
    drawings: Iterable[Drawing], shape: tuple[int, int, int], *, kind: str, source: str
) -> ImportSource:
    """Annotations that are drawn: each key is a class.

    Parameters
    ----------
    drawings
        Shapes and points.
    shape
        Shape (Z, Y, X) of the image.
    kind, source
        Words for the user.

    Raises
    ------
    InputError
        If there is none, or one lies across slices or outside the image.
    """
    rows = list(drawings)
    if not rows:
        raise InputError("holds no shapes or points", where=source)
    keys = list(dict.fromkeys(row.key for row in rows))
    slices: dict[int, list[tuple[int, Drawing]]] = {}
    for row in rows:
        slices.setdefault(_slice_of(row, shape, source), []).append((keys.index(row.key) + 1, row))
    drawn = Drawn(slices, shape)
    counts = drawn.counts()
    colors = {row.key: row.color for row in reversed(rows)}
    items = [ImportItem(0, "not drawn", "", "", counts[0])]
    items += [ImportItem(c, key, key, colors[key], counts[c]) for c, key in enumerate(keys, 1)]
    return ImportSource(kind, source, drawn, tuple(items))


def _slice_of(row: Drawing, shape: tuple[int, int, int], source: str) -> int:
    if len(row.vertices) < _CORNERS.get(row.kind, len(row.vertices) + 1):
        raise InputError(
            f"holds a {row.kind} of {len(row.vertices)} corners",
            where=source,
            mend=f"give shapes that napari knows: {', '.join(_CORNERS)}",
        )
    if not np.isfinite(row.vertices).all() or np.abs(row.vertices).max() > _FARTHEST:
        raise InputError("holds coordinates that are no places in an image", where=source)
    slices = np.round(row.vertices[:, 0])
    if slices.min() != slices.max():
        raise InputError(
            f"a {row.kind} reaches from slice {slices.min():.0f} to {slices.max():.0f}",
            where=source,
            mend="draw on slices of Z",
        )
    z = int(slices[0])
    if not 0 <= z < shape[0]:
        raise InputError(
            f"a {row.kind} lies on slice {z}, the image has 0..{shape[0] - 1}", where=source
        )
    return z


def read_napari_csv(address: Address, shape: tuple[int, int, int] | None) -> ImportSource:
    """Read shapes or points that napari saved as CSV (File, Save Selected Layers).

    A column ``class``, ``label`` or ``name`` that was added tells them apart.

    Raises
    ------
    InputError
        If it is no such file, or the shape of the image is not known.
    """
    if shape is None:
        raise InputError(
            "shapes and points do not state the size of their image",
            where=address.path,
            mend="name the image with --image",
        )
    if address.file.stat().st_size > _MOST_BYTES:
        raise InputError("is too large for a table of shapes", where=address.path)
    with guarded(address.path, "cannot be read as shapes or points of napari"):
        with address.file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        if not rows or "axis-0" not in rows[0] or "index" not in rows[0]:
            raise InputError("is not a table of shapes or points that napari wrote")
        drawings = _drawings(rows)
    kind = "napari shapes" if "shape-type" in rows[0] else "napari points"
    return drawing_source(drawings, shape, kind=kind, source=address.path)


def _drawings(rows: list[dict[str, Any]]) -> list[Drawing]:
    axes = sorted(name for name in rows[0] if name and name.startswith("axis-"))[-3:]
    column = next((name for name in _CLASS_COLUMNS if name in rows[0]), "")
    groups: dict[str, list[dict[str, Any]]] = {}
    for number, row in enumerate(rows):
        # Points have one row each; shapes one for each corner, under a common index.
        groups.setdefault(row["index"] if "shape-type" in row else str(number), []).append(row)
    return [
        Drawing(
            kind=group[0].get("shape-type", "point"),
            vertices=corners_of(group, axes),
            key=(group[0][column] if column else "") or "drawn",
        )
        for group in groups.values()
    ]


def corners_of(rows: Sequence[dict[str, Any]], axes: Sequence[str]) -> npt.NDArray[np.float64]:
    """Coordinates (N, 3); a 2D drawing lies on slice 0."""
    corners = np.array([[float(row[axis]) for axis in axes] for row in rows])
    return np.pad(corners, ((0, 0), (3 - corners.shape[1], 0)))
