"""Voxel size and classes in TIFF headers: our own tag, OME, ImageJ, plain resolution."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from tifffile import TiffFile, xml2dict

from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Spacing
from napari_densify.io._units import StatedSpacing, to_nm

__all__ = ["DENSIFY_TAG", "DensifyTag", "read_tag", "stated_spacing"]

DENSIFY_TAG = 65123
"""Private TIFF tag that holds :class:`DensifyTag` as JSON."""

_NONE: StatedSpacing = (None, None, None)
_RESOLUTION_UNITS = {2: "inch", 3: "cm"}
_COARSEST_BELIEVED_NM = 2e4


class DensifyTag(BaseModel):
    """What ImageJ and OME have no exact place for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    densify: int = 1
    spacing: Spacing
    spacing_known: bool
    classes: ClassTable | None = None


def read_tag(tif: TiffFile) -> DensifyTag | None:
    """Read our own tag; None if it is missing or was damaged."""
    tag = tif.pages[0].tags.get(DENSIFY_TAG)
    try:
        return None if tag is None else DensifyTag.model_validate_json(tag.value)
    except ValidationError:
        return None


def stated_spacing(tif: TiffFile) -> StatedSpacing:
    """Voxel size (Z, Y, X) in nm, as far as the headers state it."""
    if tif.is_ome:
        return _ome_spacing(tif.ome_metadata or "")
    if tif.is_imagej:
        return _imagej_spacing(tif, tif.imagej_metadata or {})
    return _plain_spacing(tif)


def _pixels_per_unit(tif: TiffFile) -> tuple[float | None, float | None]:
    """Size of a pixel along Y and X, in resolution units."""
    sizes: list[float | None] = []
    for name in ("YResolution", "XResolution"):
        tag = tif.pages[0].tags.get(name)
        try:
            numerator, denominator = tag.value
            sizes.append(denominator / numerator)
        except (AttributeError, TypeError, ValueError, ZeroDivisionError):
            sizes.append(None)
    return sizes[0], sizes[1]


def _imagej_spacing(tif: TiffFile, metadata: dict[str, Any]) -> StatedSpacing:
    unit = str(metadata.get("unit", ""))
    y, x = _pixels_per_unit(tif)
    # ImageJ leaves the slice distance out of the file when it is exactly 1 unit.
    z = metadata.get("spacing", 1.0)
    return to_nm(z, unit), to_nm(y, unit), to_nm(x, unit)


def _ome_spacing(xml: str) -> StatedSpacing:
    """Physical sizes of the first image; the unit defaults to micrometres."""
    try:
        image = xml2dict(xml)["OME"]["Image"]
        pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
        z, y, x = (
            to_nm(pixels.get(f"PhysicalSize{a}"), str(pixels.get(f"PhysicalSize{a}Unit", "um")))
            for a in "ZYX"
        )
    except Exception:  # any malformed XML means only that no voxel size is stated
        return _NONE
    return z, y, x


def _plain_spacing(tif: TiffFile) -> StatedSpacing:
    """Pixel size from the resolution tags, unless it is a screen's or a printer's."""
    tag = tif.pages[0].tags.get("ResolutionUnit")
    unit = _RESOLUTION_UNITS.get(int(tag.value)) if tag is not None else None
    sizes = [to_nm(size, unit) for size in _pixels_per_unit(tif)]
    y, x = (s if s is not None and s < _COARSEST_BELIEVED_NM else None for s in sizes)
    return None, y, x


def tag_json(tag: DensifyTag) -> str:
    """Serialise our tag (ASCII, as TIFF texts are)."""
    return json.dumps(tag.model_dump(mode="json"))
