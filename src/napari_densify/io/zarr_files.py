"""Zarr 2 and 3, plain or OME-NGFF 0.1 to 0.5, local or at any fsspec address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import zarr

from napari_densify.core.errors import InputError
from napari_densify.io._address import Address
from napari_densify.io._guard import guarded, optional_import_error
from napari_densify.io._lazy import guess_axes
from napari_densify.io._ome import Multiscale, read_classes, read_multiscale
from napari_densify.io._source import DatasetInfo, Reader, Source, pick_dataset

__all__ = ["READER"]

_DEEPEST = 4
_MOST_NODES = 500


def open_zarr(address: Address, level: int) -> Source:
    """Open an array, or one level of a multiscale image."""
    node = _open(address)
    if isinstance(node, zarr.Group):
        image = _image_group(node)
        if image is not None:
            return _open_multiscale(address, image, level)
        arrays = {name: (tuple(a.shape), str(a.dtype)) for name, a in _arrays(node)}
        array = node[pick_dataset(address, arrays)]
    else:
        array = node
    with guarded(address.text):
        return Source(
            data=array,
            axes=_array_axes(array),
            format=f"Zarr {array.metadata.zarr_format}",
            chunks=tuple(array.chunks),
        )


def _open(address: Address) -> zarr.Array[Any] | zarr.Group:
    with guarded(address.text, "cannot be read as Zarr"):
        store = _url_store(address.path) if address.is_url else address.file
        try:
            return zarr.open(store, path=address.dataset or None, mode="r")
        except FileNotFoundError as error:
            raise InputError("there is no Zarr array or group here") from error


def _url_store(url: str) -> Any:
    try:
        import fsspec  # noqa: F401  (zarr needs it for every address)
    except ImportError:
        raise optional_import_error(url, "fsspec", "remote") from None
    return zarr.storage.FsspecStore.from_url(url, read_only=True)


def _image_group(group: zarr.Group) -> zarr.Group | None:
    """Return the group that describes an image: this one, or a bioformats2raw folder's first."""
    if read_multiscale(group.attrs) is not None:
        return group
    attributes = dict(group.attrs)
    ome = attributes.get("ome", attributes)
    if isinstance(ome, dict) and "bioformats2raw.layout" in ome and "0" in group:
        first = group["0"]
        if isinstance(first, zarr.Group) and read_multiscale(first.attrs) is not None:
            return first
    return None


def _open_multiscale(address: Address, group: zarr.Group, level: int) -> Source:
    with guarded(address.text, "its OME-Zarr metadata cannot be used"):
        described = read_multiscale(group.attrs)
        assert described is not None
        arrays = [group[path] for path in described.paths]
    if level >= len(arrays):
        raise InputError(
            f"there is no pyramid level {level}",
            where=address.text,
            mend=f"the image has {len(arrays)}",
        )
    array = arrays[level]
    axes = described.axes or _array_axes(array)
    if len(axes) != len(array.shape):
        raise InputError(
            f"names {len(axes)} axes ({axes}) for an array with {len(array.shape)}",
            where=address.text,
        )
    return Source(
        data=array,
        axes=axes,
        format=f"OME-Zarr {described.version}",
        spacing=described.spacing(level),
        chunks=tuple(array.chunks),
        levels=tuple(tuple(a.shape) for a in arrays),
        classes=read_classes(group.attrs),
        channel_names=described.channel_names,
        notes=(*_completeness(group), *_unit_note(described, level)),
    )


def _completeness(group: zarr.Group) -> tuple[str, ...]:
    own = group.attrs.get("densify")
    if not isinstance(own, dict):
        return ()
    plan = own.get("plan")
    part = plan.get("region") if isinstance(plan, dict) else None
    unfinished = own.get("complete") is False
    notes = (
        "unfinished: what was not written yet is 0" if unfinished else "",
        f"predicted in the region {part} only: elsewhere it is 0" if part else "",
    )
    return tuple(filter(None, notes))


def _unit_note(described: Multiscale, level: int) -> tuple[str, ...]:
    scale = described.scales[level]
    if described.unit_known or all(s == 1 for s in scale):
        return ()
    sizes = ", ".join(f"{s:g}" for s in scale)
    return (f"the voxel size ({sizes}) has no unit",)


def _array_axes(array: zarr.Array[Any]) -> str:
    """Axes from Zarr 3 dimension names or xarray's, where they are ours; else guessed."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS")
    if isinstance(names, (list, tuple)) and len(names) == len(array.shape):
        letters = "".join(str(n)[:1].upper() for n in names)
        if set(letters) <= set("TCZYX") and len(set(letters)) == len(letters):
            return letters
    return guess_axes(array.shape)


def list_zarr(address: Address) -> tuple[DatasetInfo, ...]:
    """List arrays, with each multiscale image as one."""
    node = _open(address)
    with guarded(address.text):
        if isinstance(node, zarr.Array):
            return (DatasetInfo("", tuple(node.shape), str(node.dtype)),)
        return tuple(
            DatasetInfo(name, tuple(a.shape), str(np.dtype(a.dtype))) for name, a in _arrays(node)
        )


def _arrays(group: zarr.Group) -> list[tuple[str, zarr.Array[Any]]]:
    found = []
    for number, item in enumerate(_walk(group, "", 0)):
        if number >= _MOST_NODES:
            break
        found.append(item)
    return found


def _walk(group: zarr.Group, prefix: str, depth: int) -> Iterator[tuple[str, zarr.Array[Any]]]:
    described = read_multiscale(group.attrs)
    if described is not None:
        yield prefix.rstrip("/"), group[described.paths[0]]
    for name, node in sorted(group.members()):
        if isinstance(node, zarr.Group):
            if depth < _DEEPEST:
                yield from _walk(node, f"{prefix}{name}/", depth + 1)
        elif (described is None or name not in described.paths) and len(node.shape) > 1:
            yield f"{prefix}{name}", node


READER = Reader(name="Zarr", suffixes=(".zarr",), open=open_zarr, datasets=list_zarr)
