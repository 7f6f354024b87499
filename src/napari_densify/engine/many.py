"""Many volumes in one command: a folder, a list in a file, or just several names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from napari_densify.core.errors import InputError
from napari_densify.engine.sources import is_project

__all__ = ["expand_images", "output_names"]

_LARGE_BYTES = 2 * 2**30


def expand_images(addresses: Sequence[str]) -> list[str]:
    """Replace folders of volumes and ``@list`` files by what they name.

    A folder of plain slices is one volume and stays as it is; so do projects and
    zarr folders. A list file has one address a line, relative to itself; ``#``
    begins a comment.

    Raises
    ------
    InputError
        If a list cannot be read or nothing is left.
    """
    images: list[str] = []
    for address in addresses:
        if address.startswith("@"):
            images += expand_images(_read_list(Path(address[1:])))
        else:
            images += _volumes_of(address)
    if not images:
        raise InputError("no images named", mend="name at least one")
    return images


def _read_list(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the list cannot be read ({error})", where=str(path)) from None
    names = [line.partition("#")[0].strip() for line in lines]
    return [str(path.parent / name) for name in names if name]


def _volumes_of(address: str) -> list[str]:
    folder = Path(address)
    if not folder.is_dir() or is_project(address) or _is_zarr(folder):
        return [address]
    from napari_densify.io import SUFFIXES, pair_in

    if pair := pair_in(address):
        return [pair.image]  # beside its labels
    found = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and (path.name.lower().endswith(SUFFIXES) or is_project(str(path)))
    )
    return [str(path) for path in found] if _are_volumes(found) else [address]


def _is_zarr(folder: Path) -> bool:
    return folder.suffix.lower() == ".zarr" or any(
        (folder / name).exists() for name in ("zarr.json", ".zgroup", ".zarray")
    )


def _are_volumes(paths: list[Path]) -> bool:
    """Whether the entries of a folder are volumes of their own, not slices of one."""
    from napari_densify.io import open_image

    for path in paths:
        if path.is_dir():
            return True
        try:
            return open_image(path).shape[0] > 1
        except InputError:
            continue  # broken: the next one tells
    return False


def output_names(images: Sequence[str], output: str, *, suffix: str = "") -> list[Path]:
    """Output file of each image: ``output`` itself for one, a name in it for several.

    Parameters
    ----------
    images
        What is predicted.
    output
        File for a single image; folder for several, or for one if it has no ending.
    suffix
        Put between name and ending, for example ``-probabilities``.

    Raises
    ------
    InputError
        If several images are to go into one file, two have the same name, or the
        ending is one that cannot be written.
    """
    from napari_densify.io import OUTPUT_SUFFIXES

    target = Path(output)
    is_file = target.suffix.lower() in OUTPUT_SUFFIXES
    if len(images) == 1 and is_file:
        return [target]
    if not is_file and re.fullmatch(r"\.[A-Za-z]\w{1,7}", target.suffix) and not target.is_dir():
        raise InputError(
            "the ending tells the format, and this one is not known",
            where=output,
            mend=f"end it with one of {', '.join(OUTPUT_SUFFIXES)}, or name a folder",
        )
    if is_file:
        raise InputError(
            f"{len(images)} images cannot go into one file",
            where=output,
            mend="name a folder with -o",
        )
    names = [_stem(image) for image in images]
    double = {name for name in names if names.count(name) > 1}
    if double:
        raise InputError(
            f"several images are called {', '.join(sorted(double))}",
            where=output,
            mend="predict them into folders of their own",
        )
    return [
        target / f"{name}{suffix}{_ending(image)}"
        for name, image in zip(names, images, strict=True)
    ]


def _stem(image: str) -> str:
    path, _, dataset = image.partition("::")
    name = Path(path).name
    for ending in (".ome.tif", ".ome.tiff", ".ome.zarr", ".nii.gz"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
            break
    else:
        name = Path(name).stem
    return "-".join([name, *dataset.strip("/").split("/")]) if dataset else name


def _ending(image: str) -> str:
    """Zarr for what is chunked or large, TIFF for the rest."""
    path = Path(image.partition("::")[0])
    if ".zarr" in path.name.lower():
        return ".zarr"
    large = path.is_file() and path.stat().st_size > _LARGE_BYTES
    return ".zarr" if large else ".tif"
