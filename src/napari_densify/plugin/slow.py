"""Sources that are slow to read, a network drive for instance: they must not hold the viewer up."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from napari.settings import get_settings

from napari_densify.core.blocks import Region
from napari_densify.core.volume import Volume

__all__ = ["be_patient", "load_slices_in_a_thread"]

SLOW_S = 0.05
"""From here on, for one small piece, a source is slow: a slice takes many of them."""

_EDGE = 64


def be_patient(volume: Volume) -> dict[str, Any]:
    """Read a small piece; if that takes long, let napari load slices in a thread from now on.

    Returns
    -------
    Arguments of an image layer: contrast limits of a slow source, as napari would
    read whole slices for them before it shows anything.
    """
    begun = time.perf_counter()
    piece = volume.read(_middle(volume.shape))
    if time.perf_counter() - begun < SLOW_S:
        return {}
    load_slices_in_a_thread()
    finite = piece[np.isfinite(piece)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return {"contrast_limits": (low, high if high > low else low + 1)}


def load_slices_in_a_thread() -> None:
    """Switch napari's asynchronous slicing on, for this session only."""
    settings = get_settings()
    if settings.experimental.async_:
        return
    keeps = getattr(settings, "_save_on_change", None)
    settings._save_on_change = False
    settings.experimental.async_ = True
    settings._save_on_change = keeps


def _middle(shape: tuple[int, int, int]) -> Region:
    y, x = (slice(max(0, n // 2 - _EDGE // 2), n // 2 + _EDGE // 2 + 1) for n in shape[1:])
    return slice(shape[0] // 2, shape[0] // 2 + 1), y, x
