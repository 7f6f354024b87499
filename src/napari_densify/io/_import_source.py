"""What a file of annotations holds, before it is decided what it becomes."""

from __future__ import annotations

from dataclasses import dataclass

from napari_densify.core.volume import ArrayLike, Spacing

__all__ = ["ImportItem", "ImportSource"]


@dataclass(frozen=True)
class ImportItem:
    """A value, colour or category that a file holds.

    Attributes
    ----------
    code
        Number of it in :attr:`ImportSource.codes`; 0 is "nothing there".
    key
        How the file has it: ``value 3``, ``#ff0000``, or a category's name.
    name, color
        As far as the file states them.
    voxels
        How many there are.
    """

    code: int
    key: str
    name: str
    color: str
    voxels: int


@dataclass(frozen=True)
class ImportSource:
    """Annotations in a file.

    Attributes
    ----------
    kind
        ``label image``, ``colour-coded mask``, ``ilastik project``, ``COCO``,
        ``napari shapes`` or ``napari points``.
    source
        Address.
    codes
        ``(Z, Y, X)`` whole numbers, read piece by piece.
    items
        What the codes mean, in ascending order.
    """

    kind: str
    source: str
    codes: ArrayLike
    items: tuple[ImportItem, ...]
    spacing: Spacing = (1.0, 1.0, 1.0)
    spacing_known: bool = False
