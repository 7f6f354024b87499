"""Outputs written block by block, with bounded memory, never half under their final name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region, full_region
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import ArrayLike, Spacing
from napari_densify.io._labels import LabelArray
from napari_densify.io._raw_headers import RAW_HEADERS
from napari_densify.io._raw_sink import RawSink
from napari_densify.io._sink_facts import SinkFacts
from napari_densify.io._tiff_header import write_tiff_header
from napari_densify.io._zarr_journal import ZarrPart
from napari_densify.io._zarr_sink import ZarrSink

__all__ = [
    "OUTPUT_SUFFIXES",
    "Sink",
    "ZarrPart",
    "create_sink",
    "write_labels",
    "write_volume",
]

_HEADERS = {".tif": write_tiff_header, ".tiff": write_tiff_header} | RAW_HEADERS
OUTPUT_SUFFIXES = (".zarr", *_HEADERS)
"""File name endings that can be written."""


class Sink(Protocol):
    """Where a result is written to.

    Attributes
    ----------
    path
        Final name. A .zarr can be read there while it grows; others appear at :meth:`close`.
    shape
        ``(Z, Y, X)`` or ``(C, Z, Y, X)``.
    chunks
        Blocks whose borders lie on these (Z, Y, X) never touch one chunk twice.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, int, int]

    def write(self, region: Region, array: npt.NDArray[Any]) -> None:
        """Write ``(z, y, x)`` or ``(C, z, y, x)`` values; safe to call from several threads.

        Raises
        ------
        InputError
            If there is no room left, or no permission.
        """
        ...

    def done(self, index: Sequence[int]) -> None:
        """Remember that the block with this index is written completely."""
        ...

    def is_done(self, index: Sequence[int]) -> bool:
        """Whether an earlier run finished this block (only .zarr knows)."""
        ...

    def close(self) -> Path:
        """Finish; from here on the file has its final name."""
        ...

    def abort(self) -> None:
        """Give up: a .zarr keeps its finished blocks, others leave nothing behind."""
        ...


def create_sink(
    path: str | Path,
    *,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    spacing: Spacing = (1.0, 1.0, 1.0),
    spacing_known: bool = False,
    classes: ClassTable | None = None,
    chunks: Sequence[int] | None = None,
    resume: bool = False,
    plan: Mapping[str, Any] | None = None,
) -> Sink:
    """Create an output file; voxels that are never written stay 0.

    Parameters
    ----------
    path
        ``.tif`` (ImageJ or, where ImageJ can't have it, OME-TIFF), ``.zarr`` (OME-Zarr
        0.5), ``.h5``, or without class table ``.npy``, ``.mrc``, ``.nii``, ``.nrrd``.
    shape
        ``(Z, Y, X)`` or ``(C, Z, Y, X)``.
    spacing, spacing_known
        Voxel size (Z, Y, X) in nm; not written if unknown.
    classes
        Class table to store with labels: names, colours, background flag.
    chunks
        Chunk shape (Z, Y, X) of a .zarr.
    resume
        Go on with an unfinished .zarr of the same shape and dtype.
    plan
        What decides the bytes of a .zarr (plain values): kept in it, and resumed only
        by the same.

    Raises
    ------
    InputError
        For another ending, no room, no permission, or a .zarr that doesn't fit.
    """
    target = Path(path)
    facts = SinkFacts(
        shape=tuple(int(n) for n in shape),
        dtype=np.dtype(dtype),
        spacing=spacing,
        spacing_known=spacing_known,
        classes=classes,
    )
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}", where=str(target))
    suffix = target.suffix.lower()
    if suffix == ".zarr":
        return ZarrSink(target, facts, chunks=chunks, resume=resume, plan=plan)
    if suffix not in OUTPUT_SUFFIXES:
        raise InputError(
            f"cannot write {suffix or 'a file without ending'}",
            where=str(target),
            mend=f"name it .tif or .zarr (or {', '.join(OUTPUT_SUFFIXES[3:])})",
        )
    if resume:
        raise InputError(
            "only .zarr can be resumed", where=str(target), mend="write to .zarr, or leave --resume"
        )
    return RawSink(target, facts, _HEADERS[suffix])


def write_volume(
    path: str | Path,
    array: ArrayLike,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    spacing_known: bool = False,
    classes: ClassTable | None = None,
) -> Path:
    """Write a whole (Z, Y, X) or (C, Z, Y, X) array, a slab at a time.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    sink = create_sink(
        path,
        shape=array.shape,
        dtype=_storable(np.dtype(array.dtype)),
        spacing=spacing,
        spacing_known=spacing_known,
        classes=classes,
    )
    try:
        depth, rows, columns = full_region(array.shape[-3:])
        for z in range(0, depth.stop, sink.chunks[0]):
            slab = (slice(z, min(z + sink.chunks[0], depth.stop)), rows, columns)
            key = slab if len(array.shape) == 3 else (slice(None), *slab)
            sink.write(slab, np.asarray(array[key]))
        return sink.close()
    except BaseException:
        sink.abort()
        raise


def write_labels(
    path: str | Path,
    array: ArrayLike,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    spacing_known: bool = False,
    classes: ClassTable | None = None,
) -> Path:
    """Write a whole (Z, Y, X) label array, a slab at a time, in an unsigned dtype.

    Raises
    ------
    InputError
        If it holds values that are no label codes, or cannot be written.
    """
    labels = LabelArray(array, where=str(path))
    return write_volume(path, labels, spacing=spacing, spacing_known=spacing_known, classes=classes)


def _storable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype
