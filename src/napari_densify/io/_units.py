"""Lengths in files to nanometres, and what to do when a file states none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_densify.core.volume import Spacing

__all__ = ["StatedSpacing", "resolve_spacing", "to_nm"]

StatedSpacing = tuple[float | None, float | None, float | None]
"""Voxel size along Z, Y, X in nm, as far as the file states it."""

_NM = {
    "m": 1e9, "meter": 1e9, "metre": 1e9,
    "cm": 1e7, "centimeter": 1e7, "centimetre": 1e7,
    "mm": 1e6, "millimeter": 1e6, "millimetre": 1e6,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "\\u00b5m": 1e3, "micron": 1e3, "microns": 1e3,
    "micrometer": 1e3, "micrometre": 1e3, "micrometers": 1e3, "micrometres": 1e3,
    "nm": 1.0, "nanometer": 1.0, "nanometre": 1.0, "nanometers": 1.0, "nanometres": 1.0,
    "å": 0.1, "Å": 0.1, "angstrom": 0.1, "angstroms": 0.1, "pm": 1e-3, "picometer": 1e-3,
    "inch": 2.54e7, "inches": 2.54e7, "in": 2.54e7,
}  # fmt: skip

_SMALLEST_NM, _LARGEST_NM = 1e-3, 1e10


def to_nm(value: object, unit: str | None) -> float | None:
    """Convert a length to nm; None if the unit or the value means nothing.

    Parameters
    ----------
    value
        Length of a voxel in ``unit``; anything but a positive number gives None.
    unit
        Name or symbol as found in files (``um``, ``µm``, ``micron``, ``nanometer``, ...).
    """
    factor = _NM.get((unit or "").strip().lower())
    if factor is None:
        return None
    try:
        length = float(value) * factor  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return length if plausible(length) else None


def plausible(length: float) -> bool:
    """Whether a voxel may have this size: a picometre to ten metres."""
    return math.isfinite(length) and _SMALLEST_NM <= length <= _LARGEST_NM


def resolve_spacing(
    stated: StatedSpacing, shape: Sequence[int]
) -> tuple[Spacing, bool, tuple[str, ...]]:
    """Settle on a voxel size from what the file states.

    Parameters
    ----------
    stated
        Z, Y, X in nm; None where the file is silent.
    shape
        Z, Y, X: with a single slice the Z step does not matter.

    Returns
    -------
    The spacing, whether it is known, and notes for the user.
    """
    z, y, x = stated
    y, x = (y if y is not None else x), (x if x is not None else y)
    if y is None or x is None:
        return (1.0, 1.0, 1.0), False, ("the file states no voxel size",)
    if z is None and shape[0] == 1:
        return (y, y, x), True, ()
    if z is None:
        note = "the file states no distance between slices; taken to equal the pixel size"
        return (y, y, x), False, (note,)
    return (z, y, x), True, ()
