"""What a reader hands over, before axes and units are put in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import ArrayLike
from napari_densify.io._address import Address
from napari_densify.io._units import StatedSpacing

__all__ = ["DatasetInfo", "Reader", "Source", "pick_dataset"]

_LISTED = 12


@dataclass(frozen=True)
class DatasetInfo:
    """One array inside a file.

    Attributes
    ----------
    name
        What to write after ``::``; empty if the file holds one array only.
    shape
        As stored.
    dtype
        Name of the stored dtype.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Source:
    """An opened array as its file stores it.

    Attributes
    ----------
    data
        Read with a tuple of slices, one for each axis.
    axes
        One letter an axis: T, C, Z, Y, X; ``S`` (samples of a pixel) counts as C.
    format
        Name of the format, for people.
    spacing
        As far as stated, in nm.
    chunks
        Chunk shape along ``axes``, if the file has chunks.
    levels
        Shape of each pyramid level, along ``axes``.
    classes
        Class table stored in the file.
    notes
        What the user should know (how something was read).
    """

    data: ArrayLike
    axes: str
    format: str
    spacing: StatedSpacing = (None, None, None)
    chunks: tuple[int, ...] | None = None
    levels: tuple[tuple[int, ...], ...] = ()
    classes: ClassTable | None = None
    channel_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """A format: how it is recognised and opened, and listed if it can hold several arrays."""

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[Address, int], Source]
    datasets: Callable[[Address], tuple[DatasetInfo, ...]] | None = None
    magic: tuple[bytes, ...] = ()


def pick_dataset(address: Address, arrays: Mapping[str, tuple[tuple[int, ...], str]]) -> str:
    """Choose the only image among named arrays (those with at least two axes).

    Raises
    ------
    InputError
        If there is none, or several and the address names none of them.
    """
    images = {name: shape for name, (shape, _) in arrays.items() if len(shape) >= 2}
    if address.dataset in arrays:
        return address.dataset
    listing = ", ".join(f"{name} {shape}" for name, shape in list(images.items())[:_LISTED])
    if address.dataset:
        raise InputError(
            f"holds no array {address.dataset!r}", where=address.path, mend=f"it holds: {listing}"
        )
    if not images:
        raise InputError("holds no image", where=address.path)
    if len(images) > 1:
        raise InputError(
            "holds several arrays",
            where=address.path,
            mend=f"write {address.path}::NAME with one of: {listing}",
        )
    return next(iter(images))
