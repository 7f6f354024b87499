"""Headers of TIFF outputs: ImageJ's flavour where it can hold the data, else OME."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_densify.core.labels import ClassTable
from napari_densify.io._raw_sink import Layout
from napari_densify.io._sink_facts import SinkFacts
from napari_densify.io._tiff_metadata import DENSIFY_TAG, DensifyTag, tag_json

__all__ = ["write_tiff_header"]

_IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
_NOT_OME_DTYPES = ("int64", "uint64", "float16")
_CLASSIC_BYTES = 4 * 2**30 - 2**25


def write_tiff_header(path: Path, facts: SinkFacts) -> Layout:
    """Write all pages but their voxels.

    ImageJ's flavour where its types and the 4 GiB of classic TIFF allow, OME-TIFF
    (BigTIFF) otherwise; class table and exact spacing also go into a private tag.
    """
    z, y, x = facts.shape[-3:]
    small = prod(facts.shape) * facts.dtype.itemsize < _CLASSIC_BYTES
    imagej = small and facts.dtype.name in _IMAGEJ_DTYPES
    tag = DensifyTag(
        spacing=facts.spacing, spacing_known=facts.spacing_known, classes=facts.classes
    )
    offset, _ = tifffile.imwrite(
        path,
        data=None,
        shape=(z, facts.channels, y, x) if facts.channels > 1 else (z, y, x),
        dtype=facts.dtype,
        photometric="minisblack",
        returnoffset=True,
        extratags=[(DENSIFY_TAG, "s", 0, tag_json(tag), True)],
        software="Densify",
        **(_imagej_options(facts) if imagej else _ome_options(facts)),
    )
    return Layout(int(offset), facts.dtype, planes_of_channels=True)


def _axes(facts: SinkFacts) -> str:
    return "ZCYX" if facts.channels > 1 else "ZYX"


def _imagej_options(facts: SinkFacts) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": _axes(facts)}
    options: dict[str, Any] = {"imagej": True, "metadata": metadata}
    if facts.spacing_known:
        z, y, x = facts.spacing
        metadata |= {"spacing": z, "unit": "nm"}
        options["resolution"] = (1 / x, 1 / y)
    if facts.classes is not None:
        metadata["Info"] = _class_lines(facts.classes)
        if facts.dtype == np.uint8 and facts.channels == 1:
            metadata |= {"LUTs": [_colours(facts.classes)], "min": 0.0, "max": 255.0}
    return options


def _class_lines(classes: ClassTable) -> str:
    rows = (f"label {c.value} = {c.name} ({c.color})" for c in classes.classes)
    return "\n".join(rows).encode("ascii", "replace").decode()


def _colours(classes: ClassTable) -> npt.NDArray[np.uint8]:
    """ImageJ look-up table (3, 256): class colours, black elsewhere."""
    table = np.zeros((3, 256), np.uint8)
    for c in classes.classes:
        if c.value < 256:
            table[:, c.value] = list(bytes.fromhex(c.color[1:]))
    return table


def _ome_options(facts: SinkFacts) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": _axes(facts)}
    if facts.dtype.name in _NOT_OME_DTYPES:
        return {"bigtiff": True, "metadata": metadata}
    if facts.spacing_known:
        for axis, size in zip("ZYX", facts.spacing, strict=True):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "nm"}
    return {"ome": True, "bigtiff": True, "metadata": metadata}
