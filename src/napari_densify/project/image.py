"""The image of a project: how it is known again, found again, or copied in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from glob import has_magic
from pathlib import Path

from napari_densify.core.blocks import block_grid
from napari_densify.core.errors import InputError
from napari_densify.core.fingerprint import checksum
from napari_densify.core.volume import ArrayLike, Spacing, Volume
from napari_densify.io import create_sink, open_image
from napari_densify.project.address import absolute, beside, candidates
from napari_densify.project.document import ImageReference

__all__ = [
    "ImageElsewhere",
    "checksum",
    "copy_blockwise",
    "find_image",
    "refer",
    "require_image",
    "same_image",
]


class ImageElsewhere(InputError):
    """The image of a project is not where it was, or is another one now: ask where it is."""


def same_image(first: Volume, second: Volume) -> bool:
    """Whether two volumes hold the same image, by shape, dtype and samples."""
    return (first.shape, first.channels, first.dtype) == (
        second.shape,
        second.channels,
        second.dtype,
    ) and checksum(first) == checksum(second)


def copy_blockwise(
    array: ArrayLike,
    target: Path,
    *,
    spacing: Spacing,
    spacing_known: bool,
    progress: Callable[[int, int], None],
) -> None:
    """Copy ``(Z, Y, X)`` or ``(C, Z, Y, X)`` voxels to a zarr, a few slices at a time.

    Raises
    ------
    InputError
        If there is no room; nothing is left at ``target``.
    """
    volume = Volume(array)
    sink = create_sink(
        target,
        shape=array.shape,
        dtype=array.dtype,
        spacing=spacing,
        spacing_known=spacing_known,
    )
    try:
        blocks = list(block_grid(volume.shape, (sink.chunks[0], 1024, 1024)))
        for number, block in enumerate(blocks):
            voxels = volume.read(block.write)
            sink.write(block.write, voxels if len(array.shape) == 4 else voxels[0])
            progress(number + 1, len(blocks))
        sink.close()
    except BaseException:
        sink.abort()
        raise


def refer(
    wanted: ImageReference, shape: tuple[int, int, int], folder: Path
) -> tuple[Volume, ImageReference]:
    """Open an image and note what it takes to find and know it again.

    Parameters
    ----------
    wanted
        Address, level and channels; the rest of it is filled in.
    shape
        Voxels of the project along Z, Y, X.
    folder
        Project folder.

    Raises
    ------
    InputError
        If it cannot be opened or has another shape.
    """
    address = absolute(wanted.address)
    volume = open_image(address, level=wanted.level, channels=wanted.use_channels)
    require_image(volume, shape=shape, where=address)
    found = {
        "address": address,
        "relative": beside(address, folder),
        "name": volume.name,
        "dtype": volume.dtype.name,
        "channels": volume.channels,
        "checksum": checksum(volume),
    }
    return volume, wanted.model_copy(update=found)


def find_image(reference: ImageReference, shape: tuple[int, int, int], folder: Path) -> Volume:
    """Open the image of a project, wherever of its known places it is.

    Raises
    ------
    InputError
        If it is in none of them, or another image is there now.
    """
    if not reference:
        raise InputError("the project has no image yet", where=str(folder))
    errors = []
    for address in candidates(reference.address, reference.relative, folder):
        try:
            return _open_same(reference, shape, address)
        except InputError as error:
            errors.append(error)
    # The absolute address is the one that the user knows.
    raise errors[-1]


def _open_same(reference: ImageReference, shape: tuple[int, int, int], address: str) -> Volume:
    file = address.partition("::")[0]
    if "://" not in address and not has_magic(file) and not Path(file).exists():
        raise ImageElsewhere(
            "the image of the project is not there any more",
            where=address,
            mend="bring it back, or say where it is now: densify relocate PROJECT IMAGE",
        )
    volume = open_image(address, level=reference.level, channels=reference.use_channels)
    require_image(volume, shape=shape, where=address)
    if reference.checksum and checksum(volume) != reference.checksum:
        raise ImageElsewhere(
            "is another image than the one that was painted on",
            where=address,
            mend="bring the old one back, or say where it is now: densify relocate PROJECT IMAGE",
        )
    return replace(volume, name=reference.name or volume.name)


def require_image(volume: Volume, *, shape: tuple[int, ...], where: str) -> None:
    """Refuse an image that the paint doesn't fit on.

    Raises
    ------
    InputError
        If the shape differs.
    """
    if volume.shape != shape:
        raise ImageElsewhere(
            f"has shape {volume.shape}, but the project was painted on {shape} (Z, Y, X)",
            where=where,
            mend="choose the image that was painted on",
        )
