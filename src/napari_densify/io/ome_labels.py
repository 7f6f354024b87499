"""Labels beside the image they belong to, as the OME-Zarr specification has them."""

from __future__ import annotations

import tempfile
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_densify.core.errors import InputError
from napari_densify.core.files import replace
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import ArrayLike
from napari_densify.io._guard import guarded
from napari_densify.io._labels import LabelArray
from napari_densify.io._ome import Multiscale, image_label, read_multiscale
from napari_densify.io._sink_facts import write_error

__all__ = ["write_ome_labels"]

_CHUNK = (16, 256, 256)


def write_ome_labels(
    image: str | Path,
    name: str,
    labels: ArrayLike,
    *,
    classes: ClassTable,
    overwrite: bool = False,
) -> Path:
    """Write labels into ``IMAGE/labels/NAME``, with a pyramid that matches the image's.

    Parameters
    ----------
    image
        A local OME-Zarr image (0.4 or 0.5); the labels are written in its version.
    name
        Name of the label image.
    labels
        ``(Z, Y, X)``, the shape of the image's finest level; read a slab at a time.
    classes
        Names and colours to store.
    overwrite
        Replace labels of this name; the old ones stay until the new are complete.

    Returns
    -------
    Path of the label image, which :func:`~napari_densify.io.open_labels` opens.

    Raises
    ------
    InputError
        If the image is no OME-Zarr or of another shape, or the name is taken.
    """
    path = Path(image)
    target = path / "labels" / name
    # Also what separates folders, or names a drive, on another system than this one.
    if not name or set(name) & set("/\\:") or name.startswith("."):
        raise InputError(f"{name!r} is no name for a label image", where=str(path))
    if target.exists() and not overwrite:
        raise InputError(
            f"already has labels {name!r}",
            where=str(path),
            mend="choose another name, or replace them (--replace)",
        )
    with guarded(str(path), "labels cannot be written beside it"):
        group = zarr.open_group(path, mode="r")
        described = read_multiscale(group.attrs)
    if described is None or not {"Z", "Y", "X"} >= set(described.axes.replace("C", "")):
        raise InputError(
            "is no OME-Zarr image with axes Z, Y, X",
            where=str(path),
            mend="save the labels as a file of their own",
        )
    try:
        return _write(target, group, described, LabelArray(labels, where=str(target)), classes)
    except OSError as error:
        raise write_error(target, error) from error


def _write(
    target: Path, group: zarr.Group, described: Multiscale, labels: LabelArray, classes: ClassTable
) -> Path:
    spatial = [i for i, a in enumerate(described.axes) if a in "ZYX"]
    shapes = [[int(group[p].shape[i]) for i in spatial] for p in described.paths]
    if _squeezed(labels.shape, len(spatial)) != tuple(shapes[0]):
        raise InputError(
            f"labels of shape {labels.shape} for an image of shape {tuple(shapes[0])}",
            where=str(target),
        )
    version = group.metadata.zarr_format
    parent = zarr.open_group(target.parent, mode="a", zarr_format=version)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        _write_pyramid(Path(folder) / "new", labels, shapes, described, classes, version)
        if target.exists():
            replace(target, Path(folder) / "old")
        replace(Path(folder) / "new", target)
    _register(parent, target.name, described.version)
    return target


def _squeezed(shape: tuple[int, ...], axes: int) -> tuple[int, ...]:
    """Shape of a stack as an image with this many spatial axes has it."""
    return shape[1:] if axes == 2 and shape[0] == 1 else shape


def _write_pyramid(
    path: Path,
    labels: LabelArray,
    shapes: list[list[int]],
    described: Multiscale,
    classes: ClassTable,
    version: int,
) -> None:
    """Write each level: every n-th voxel of the finest one, as averages mean nothing."""
    group = zarr.create_group(path, zarr_format=version)
    group.attrs.update(_attributes(path, described, classes))
    finest = tuple([1] * (3 - len(shapes[0])) + shapes[0])
    for name, shape in zip(described.paths, shapes, strict=True):
        full = tuple([1] * (3 - len(shape)) + shape)
        chunks = tuple(min(c, n) for c, n in zip(_CHUNK, full, strict=True))
        array = group.create_array(
            name,
            shape=shape,
            chunks=chunks[-len(shape) :],
            dtype=labels.dtype,
            chunk_key_encoding={"name": "v2" if version == 2 else "default", "separator": "/"},
            dimension_names=list("zyx"[-len(shape) :]) if version == 3 else None,
        )
        rows, columns = (_nearest(n, m) for n, m in zip(finest[1:], full[1:], strict=True))
        depths = _nearest(finest[0], full[0])
        for z in range(0, full[0], chunks[0]):
            slab = np.stack([labels[d][np.ix_(rows, columns)] for d in depths[z : z + chunks[0]]])
            array[z : z + len(slab)] = slab if len(shape) == 3 else slab[0]


def _nearest(fine: int, coarse: int) -> list[int]:
    """Index in the fine level for each index of a coarser one."""
    step = ceil(fine / coarse)
    return [min(i * step, fine - 1) for i in range(coarse)]


def _attributes(path: Path, described: Multiscale, classes: ClassTable) -> dict[str, Any]:
    spatial = [i for i, a in enumerate(described.axes) if a in "ZYX"]
    axes: list[dict[str, Any]] = [
        {"name": described.axes[i].lower(), "type": "space"}
        | ({"unit": described.units[i]} if described.units[i] else {})
        for i in spatial
    ]
    datasets = [
        {
            "path": p,
            "coordinateTransformations": [
                {"type": "scale", "scale": [described.scales[level][i] for i in spatial]}
            ],
        }
        for level, p in enumerate(described.paths)
    ]
    entry: dict[str, Any] = {"name": path.name, "axes": axes, "datasets": datasets}
    own = {"densify": {"complete": True, "classes": classes.model_dump(mode="json")["classes"]}}
    if _nested(described.version):
        ome = {
            "version": described.version,
            "multiscales": [entry],
            "image-label": image_label(classes),
        }
        return {"ome": ome, **own}
    label = {"version": described.version, **image_label(classes)}
    return {
        "multiscales": [{"version": described.version, **entry}], "image-label": label, **own
    }  # fmt: skip


def _nested(version: str) -> bool:
    """Whether this version keeps everything under the key ``ome`` (from 0.5 on)."""
    return version not in ("0.1", "0.2", "0.3", "0.4")


def _register(parent: zarr.Group, name: str, version: str) -> None:
    attributes = dict(parent.attrs)
    ome = dict(attributes.get("ome", {})) if _nested(version) else attributes
    ome["labels"] = sorted({*ome.get("labels", ()), name})
    parent.attrs.update({"ome": {"version": version, **ome}} if _nested(version) else ome)
