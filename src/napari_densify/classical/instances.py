"""One id for each object, from dense class labels: watershed on distances from the edge."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import reconstruction
from skimage.segmentation import relabel_sequential, watershed

from napari_densify.core.base import Settings
from napari_densify.core.errors import InputError
from napari_densify.core.labels import UNLABELLED, ClassTable
from napari_densify.core.volume import Spacing

__all__ = ["InstanceParameters", "label_objects", "resolve_object_classes"]

_BOUNDARY_NAMES = re.compile(r"bound|membrane|border|wall|edge|outline", re.IGNORECASE)

Ids = npt.NDArray[np.uint32]


class InstanceParameters(Settings):
    """Parameters of the separation into objects."""

    objects: tuple[int, ...] = Field(
        (),
        title="Object classes",
        description="Codes of the classes that are objects; none: all but background and boundary",
    )
    boundary: int | None = Field(
        None,
        title="Boundary class",
        description="Code of the class that parts objects; none: found by its name",
    )
    split: bool | None = Field(
        None,
        title="Split",
        description="Part touching objects where they are narrow; none: unless a boundary class "
        "parts them already",
    )
    depth: float = Field(
        1.5,
        ge=0,
        title="Depth of a narrowing",
        description="How much narrower an object must be than on both sides to be split there",
        json_schema_extra={"unit": "pixels along X"},
    )
    smallest: int = Field(30, ge=0, title="Smallest object", json_schema_extra={"unit": "voxels"})


def resolve_object_classes(
    present: set[int], table: ClassTable | None, parameters: InstanceParameters
) -> tuple[tuple[int, ...], bool]:
    """Decide which classes are objects, and whether their pieces are to be split.

    Parameters
    ----------
    present
        Codes that occur in the labels.
    table
        Classes with their names, if known.
    parameters
        What the user said about it.

    Returns
    -------
    Codes of the object classes; whether to split.

    Raises
    ------
    InputError
        If nothing tells objects from background.
    """
    names = {c.value: c.name for c in table.classes} if table else {}
    boundary = parameters.boundary
    if boundary is None:
        boundary = next((v for v, n in names.items() if _BOUNDARY_NAMES.search(n)), None)
    split = boundary is None if parameters.split is None else parameters.split
    if parameters.objects:
        return parameters.objects, split
    background = table.background if table else None
    if background is None and boundary is None and UNLABELLED not in present:
        raise InputError(
            f"nothing tells which of the classes {sorted(present)} are objects",
            where="labels",
            mend="name them: --set objects=2",
        )
    return tuple(sorted(present - {UNLABELLED, background, boundary})), split


def label_objects(
    labels: npt.NDArray[Any],
    *,
    classes: ClassTable | None = None,
    spacing: Spacing = (1.0, 1.0, 1.0),
    parameters: InstanceParameters | None = None,
) -> Ids:
    """Give each object of a semantic or boundary prediction an id.

    Connected pieces of each object class are parted where they are narrow, unless a
    boundary class parts them already: a watershed of the distance from the edge,
    flooded from its maxima that are at least ``depth`` above the saddle to the next.

    Parameters
    ----------
    labels
        Dense class codes ``(Z, Y, X)``.
    classes
        Class table; tells background and, by its name, the boundary class.
    spacing
        Voxel size (Z, Y, X) in nm: distances are physical.
    parameters
        What counts as an object, and how readily it is split.

    Returns
    -------
    Ids ``(Z, Y, X)``, uint32; 0 is no object, ids are consecutive from 1.

    Raises
    ------
    InputError
        If nothing tells objects from background.

    References
    ----------
    Vincent, IEEE Trans. Image Process. 2, 176 (1993): h-maxima by reconstruction.

    Examples
    --------
    >>> labels = np.ones((1, 5, 9), np.uint8)
    >>> labels[0, 1:4, 1:4] = labels[0, 1:4, 5:8] = 2
    >>> int(label_objects(labels, parameters=InstanceParameters(objects=(2,), smallest=0)).max())
    2
    """
    chosen = parameters or InstanceParameters()
    present = {int(v) for v in np.unique(labels)}
    out = np.zeros(labels.shape, np.uint32)
    objects, split = resolve_object_classes(present, classes, chosen)
    for value in objects:
        mask = labels == value
        ids = _parted(mask, spacing, chosen.depth) if split else label(mask, connectivity=1)
        out[mask] = np.where(ids[mask] > 0, ids[mask] + out.max(), 0)
    return _without_small(out, chosen.smallest)


def _parted(mask: npt.NDArray[np.bool_], spacing: Spacing, depth: float) -> npt.NDArray[Any]:
    """Label one class's voxels, touching objects apart."""
    # Beyond the border of the volume an object goes on: it is not an edge.
    padded = np.pad(mask, 1, mode="edge")
    sampling = tuple(s / spacing[-1] for s in spacing)
    inner = (slice(1, -1),) * 3
    distance = ndimage.distance_transform_edt(padded, sampling)[inner].astype(np.float32)
    ids: npt.NDArray[Any] = watershed(-distance, _markers(distance, mask, depth), mask=mask)
    return ids


def _markers(
    distance: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], depth: float
) -> npt.NDArray[Any]:
    """Label maxima of the distance that stand out by ``depth``; every piece has one."""
    lowered = np.where(mask, np.maximum(distance - max(depth, 1e-3), 0), 0)
    flooded = reconstruction(lowered, distance, method="dilation")
    peaks = mask & (flooded <= lowered)
    # A piece nowhere wider than the depth has no such maximum: its widest part counts.
    pieces, count = ndimage.label(mask)
    with_peak = np.zeros(count + 1, bool)
    with_peak[np.unique(pieces[peaks])] = True
    narrow = mask & ~with_peak[pieces]
    markers: npt.NDArray[Any] = label(peaks | narrow)
    return markers


def _without_small(ids: Ids, smallest: int) -> Ids:
    """Drop objects below a size and number the rest from 1."""
    sizes = np.bincount(ids.ravel())
    sizes[0] = smallest
    kept = np.where(sizes[ids] >= smallest, ids, 0)
    consecutive: Ids = relabel_sequential(kept)[0].astype(np.uint32)
    return consecutive
