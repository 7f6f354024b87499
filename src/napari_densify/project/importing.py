"""Annotations from elsewhere into a project: the classes they bring, the voxels they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from napari_densify.annotations import Edit
from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError
from napari_densify.core.labels import UNLABELLED, ClassTable
from napari_densify.core.volume import ArrayLike, Volume

__all__ = ["import_edits", "merge_classes", "require_import_shape"]


def merge_classes(own: ClassTable, imported: ClassTable, painted: Mapping[int, int]) -> ClassTable:
    """Add the classes of an import to those of a project.

    Parameters
    ----------
    own
        Classes of the project.
    imported
        Classes of the import. They name what the project has not painted yet.
    painted
        Annotated voxels per class of the project.
    """
    rows = {c.value: c for c in own.classes}
    keys = {c.key for c in own.classes}
    for row in imported.classes:
        unnamed = row.name == f"class {row.value}"
        if row.value in rows and (unnamed or painted.get(row.value)):
            continue
        before = rows.get(row.value)
        key = before.key if before else ("" if row.key in keys else row.key)
        rows[row.value] = row.model_copy(update={"key": key})
    flagged = [c.value for c in own.classes if c.background and rows[c.value].background]
    keep = flagged[0] if flagged else imported.background
    table = (
        c.model_copy(update={"background": c.background and c.value == keep})
        for _, c in sorted(rows.items())
    )
    return ClassTable(classes=tuple(table))


def require_import_shape(labels: Volume, shape: tuple[int, ...]) -> None:
    """Refuse labels that belong to another volume.

    Raises
    ------
    InputError
        If the shape differs.
    """
    if labels.shape != tuple(shape):
        raise InputError(
            f"has shape {labels.shape}, the image has {tuple(shape)} (Z, Y, X)",
            where=labels.source,
            mend="give annotations of the same volume at the same resolution",
        )


def import_edits(labels: Volume, paint: ArrayLike, *, replace: bool = False) -> Iterator[Edit]:
    """Say slice by slice which voxels of the paint change, and to what.

    Parameters
    ----------
    labels
        From :func:`napari_densify.io.apply_import`.
    paint
        Present annotations (Z, Y, X).
    replace
        Change voxels that are painted already, too; never to unlabelled.
    """
    depth, height, width = labels.shape
    for z in range(depth):
        region = (slice(z, z + 1), slice(0, height), slice(0, width))
        new = labels.read_labels(region)
        if not new.any():
            continue
        old = np.asarray(paint[region])
        mask = (new != UNLABELLED) & ((new != old) if replace else (old == UNLABELLED))
        if mask.any():
            box, inside = _tight(mask, z)
            yield Edit(box, mask[inside], new[inside][mask[inside]])


def _tight(mask: np.ndarray, z: int) -> tuple[Region, Region]:
    """Box around what changes, in the volume and in its slice."""
    rows, columns = np.flatnonzero(mask[0].any(1)), np.flatnonzero(mask[0].any(0))
    y, x = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return (slice(z, z + 1), y, x), (slice(0, 1), y, x)
