"""Open any address as a volume: axes Z, Y, X, spacing in nm, nothing read ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Spacing, Volume
from napari_densify.io._address import Address, parse_address
from napari_densify.io._guard import guarded
from napari_densify.io._labels import LabelArray
from napari_densify.io._lazy import LazyArray, order_axes
from napari_densify.io._readers import list_sources, open_source
from napari_densify.io._source import DatasetInfo, Source
from napari_densify.io._units import plausible, resolve_spacing

__all__ = ["Description", "describe", "list_datasets", "open_image", "open_labels"]

_WINDOW = 2048


def open_image(
    address: str | Path,
    *,
    level: int = 0,
    channels: Sequence[int] | None = None,
    spacing: Spacing | None = None,
) -> Volume:
    """Open an image without reading it.

    Parameters
    ----------
    address
        A file, a folder or pattern of slices, a URL, or ``FILE::dataset``.
    level
        Pyramid level; 0 is the finest.
    channels
        Channels to keep; all by default. A single one gives a volume without channel axis.
    spacing
        Voxel size (Z, Y, X) in nm at this level, instead of what the file states.

    Returns
    -------
    Volume
        ``(Z, Y, X)`` or ``(C, Z, Y, X)``. Its ``metadata`` holds ``format``, ``axes``
        (as stored), ``levels`` (their shapes), ``classes`` (a :class:`ClassTable` or
        None), ``channel_names`` and ``notes`` (lines for the user). Reading from it
        raises :class:`InputError` where the file turns out to be damaged.

    Raises
    ------
    InputError
        If it cannot be opened or understood; always in one line.
    """
    found = parse_address(address)
    with guarded(found.text, "cannot be opened"):
        source = open_source(found, level)
    return _volume(found, source, channels, spacing)


def open_labels(address: str | Path, *, level: int = 0) -> Volume:
    """Open a label image: one channel of whole numbers, never negative.

    Signed and floating-point files are accepted if every value is a whole number from
    0 up; that is checked on the middle of the volume now, and on each piece when it
    is read.

    Raises
    ------
    InputError
        If it cannot be opened, has channels, or holds other values.
    """
    volume = open_image(address, level=level)
    if volume.channels != 1:
        raise InputError(
            f"labels with {volume.channels} channels, perhaps a colour-coded mask",
            where=volume.source,
            mend="import it with its colour table, or save one whole number a voxel",
        )
    labels = LabelArray(volume.data, where=volume.source)
    if labels.dtype != volume.dtype:
        labels[_middle(volume.shape)]
    return Volume(
        data=labels,
        spacing=volume.spacing,
        spacing_known=volume.spacing_known,
        name=volume.name,
        source=volume.source,
        chunks=volume.chunks,
        metadata=volume.metadata,
    )


def list_datasets(path: str | Path) -> tuple[DatasetInfo, ...]:
    """List the arrays in a file; each name can follow ``FILE::``.

    Raises
    ------
    InputError
        If the file cannot be opened.
    """
    found = parse_address(path)
    with guarded(found.text, "cannot be opened"):
        return list_sources(found)


@dataclass(frozen=True)
class Description:
    """What a file holds, for scripts.

    Attributes
    ----------
    axes
        As stored.
    shape
        Voxels along Z, Y, X.
    nbytes
        Bytes of the whole image in memory.
    levels
        Shape of each pyramid level, as stored; empty without a pyramid.
    datasets
        All arrays of the file, if there are several.
    """

    address: str
    format: str
    axes: str
    shape: tuple[int, int, int]
    channels: int
    dtype: str
    spacing: Spacing
    spacing_known: bool
    chunks: tuple[int, int, int] | None
    nbytes: int
    levels: tuple[tuple[int, ...], ...] = ()
    datasets: tuple[DatasetInfo, ...] = ()
    classes: ClassTable | None = None
    channel_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        plain = asdict(self)
        plain["classes"] = self.classes.model_dump()["classes"] if self.classes else None
        return plain


def describe(address: str | Path, *, level: int = 0) -> Description:
    """Say what an address holds, without reading voxels.

    Raises
    ------
    InputError
        If it cannot be opened.
    """
    volume = open_image(address, level=level)
    datasets = list_datasets(address)
    return Description(
        address=volume.source,
        shape=volume.shape,
        channels=volume.channels,
        dtype=str(volume.dtype),
        spacing=volume.spacing,
        spacing_known=volume.spacing_known,
        chunks=volume.chunks,
        nbytes=int(np.prod(volume.data.shape, dtype=object)) * volume.dtype.itemsize,
        datasets=datasets if len(datasets) > 1 else (),
        **volume.metadata,
    )


def _middle(shape: tuple[int, int, int]) -> Region:
    """Cut a window out of the middle slice that is small enough to read at once."""
    z, y, x = (n // 2 for n in shape)
    half = _WINDOW // 2
    return slice(z, z + 1), slice(max(0, y - half), y + half), slice(max(0, x - half), x + half)


def _volume(
    address: Address, source: Source, channels: Sequence[int] | None, spacing: Spacing | None
) -> Volume:
    where = address.text
    roles, notes = order_axes(source.axes, source.data.shape, where)
    data = LazyArray(source.data, roles, where=where, channels=channels)
    found, known, spacing_notes = resolve_spacing(source.spacing, data.shape[-3:])
    if spacing is not None:
        found, known, spacing_notes = _checked(spacing), True, ()
    return Volume(
        data=data,
        spacing=found,
        spacing_known=known,
        name=address.name,
        source=where,
        chunks=_zyx(roles, source.chunks),
        metadata={
            "format": source.format,
            "axes": source.axes,
            "levels": source.levels if len(source.levels) > 1 else (),
            "classes": source.classes,
            "channel_names": source.channel_names,
            "notes": (*source.notes, *notes, *spacing_notes),
        },
    )


def _checked(spacing: Spacing) -> Spacing:
    z, y, x = (float(s) for s in spacing)
    if not all(map(plausible, (z, y, x))):
        raise InputError(
            f"voxel size {z:g}, {y:g}, {x:g} nm is impossible",
            mend="give the size along Z, Y, X in nanometres",
        )
    return z, y, x


def _zyx(roles: str, chunks: tuple[int, ...] | None) -> tuple[int, int, int] | None:
    if chunks is None:
        return None
    sizes = dict(zip(roles, map(int, chunks), strict=True))
    return sizes.get("Z", 1), sizes.get("Y", 1), sizes.get("X", 1)
