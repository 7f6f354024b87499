"""Can the results be written? Asked before the work, not after it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from napari_densify.core.errors import InputError

__all__ = ["require_folder", "require_label_file", "require_writable"]


def require_label_file(path: str | Path, *, inputs: Iterable[str] = ()) -> Path:
    """Make sure that labels can be written at ``path``: see :func:`require_writable`."""
    from napari_densify.io import OUTPUT_SUFFIXES

    return require_writable(path, suffixes=OUTPUT_SUFFIXES, inputs=inputs)


def require_writable(
    path: str | Path, *, suffixes: tuple[str, ...] = (), inputs: Iterable[str] = ()
) -> Path:
    """Make sure that a file or zarr folder can be written at ``path``.

    Missing parent folders are created.

    Parameters
    ----------
    path
        File, or folder in the case of zarr, that is going to be written.
    suffixes
        Endings that are allowed; any if empty.
    inputs
        What the job reads: never written over.

    Raises
    ------
    InputError
        If the ending is another one, if a plain folder or an input stands there,
        or if the folder cannot be written.
    """
    target = Path(path)
    if not str(path):
        raise InputError("no output named", mend="name it with -o")
    if suffixes and not target.name.lower().endswith(suffixes):
        raise InputError(
            "the ending tells the format, and this one is not known",
            where=str(target),
            mend=f"end it with {'one of ' if len(suffixes) > 1 else ''}{', '.join(suffixes)}",
        )
    if target.is_dir() and target.suffix.lower() != ".zarr":
        raise InputError(
            "is a folder, not a file",
            where=str(target),
            mend="name the file to be written",
        )
    if any(_same_place(target, name) for name in inputs):
        raise InputError(
            "would be written over, and it is read here",
            where=str(target),
            mend="choose another output",
        )
    require_folder(target.parent)
    return target


def _same_place(target: Path, name: str) -> bool:
    """Whether an output is an input, or a folder that holds it."""
    source = Path(name.partition("::")[0]).resolve()
    place = target.resolve()
    return place == source or place in source.parents


def require_folder(path: str | Path) -> Path:
    """Create a folder where it is missing and make sure that it can be written.

    Raises
    ------
    InputError
        If it cannot be created or written.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".densify"):
            pass
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})",
            where=str(folder),
            mend="choose another output, or free it",
        ) from None
    return folder
