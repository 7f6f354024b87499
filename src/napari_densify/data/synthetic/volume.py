"""One call: a kind, a shape, a seed; an image and its classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_densify.core.errors import InputError
from napari_densify.core.volume import Spacing
from napari_densify.data.synthetic import _imaging as imaging
from napari_densify.data.synthetic._light import make_nuclei, make_walls
from napari_densify.data.synthetic._neuropil import (
    GLIA,
    INSIDE,
    MEMBRANE,
    MITOCHONDRION,
    SYNAPSE,
    Stain,
    make_neuropil,
)
from napari_densify.data.synthetic._rock import make_rock
from napari_densify.data.synthetic._space import Array, Space

__all__ = ["SYNTHETIC_KINDS", "SyntheticKind", "synthetic_volume"]

Labels = NDArray[np.uint8]
_NEUROPIL = {
    MEMBRANE: "membrane",
    INSIDE: "cytoplasm",
    MITOCHONDRION: "mitochondrion",
    SYNAPSE: "synapse",
    GLIA: "glia",
}


@dataclass(frozen=True)
class SyntheticKind:
    """A kind of volume.

    Attributes
    ----------
    title
        What it looks like.
    spacing
        Usual voxel size (Z, Y, X) in nm.
    classes
        Names of the codes in its labels; a small volume may lack some.
    make
        Fills a space with intensities and labels.
    """

    title: str
    spacing: Spacing
    classes: Mapping[int, str]
    make: Callable[[Space], tuple[Array, Labels]]


def synthetic_volume(
    kind: str,
    shape: tuple[int, int, int],
    *,
    spacing: Spacing | None = None,
    seed: int = 0,
) -> tuple[NDArray[np.uint8], Labels]:
    """Make a volume with structures, stain, blur, noise and artefacts drawn at random.

    Parameters
    ----------
    kind
        One of :data:`SYNTHETIC_KINDS`.
    shape
        Shape (Z, Y, X) in voxels; one slice is allowed.
    spacing
        Voxel size (Z, Y, X) in nm; what is usual for the kind if None. Structures
        have their size in nm, so coarser voxels show more and smaller ones.
    seed
        The same seed gives the same volume, on any number of cores.

    Returns
    -------
    image
        uint8, ``(Z, Y, X)``.
    labels
        uint8 class at every voxel, ``(Z, Y, X)``; names in :data:`SYNTHETIC_KINDS`.

    Raises
    ------
    InputError
        For an unknown kind, an empty shape or a spacing that isn't positive.

    Examples
    --------
    >>> image, labels = synthetic_volume("fibsem", (16, 48, 48), seed=1)
    >>> image.shape, str(image.dtype), SYNTHETIC_KINDS["fibsem"].classes[1]
    ((16, 48, 48), 'uint8', 'membrane')
    """
    if kind not in SYNTHETIC_KINDS:
        kinds = ", ".join(SYNTHETIC_KINDS)
        raise InputError(f"no synthetic volume of kind {kind!r}", mend=f"one of: {kinds}")
    usual = SYNTHETIC_KINDS[kind]
    spacing = spacing or usual.spacing
    if min(shape) < 1 or min(spacing) <= 0:
        raise InputError(f"no volume has shape {shape} and voxels of {spacing} nm")
    space = Space(shape, spacing, np.random.default_rng([seed, *kind.encode()]))
    values, labels = usual.make(space)
    return imaging.to_uint8(values, space.random), labels


def _sections(space: Space, stain: Stain, planes: int) -> tuple[Array, Labels]:
    """Make neuropil on ``planes`` planes a section; a section shows their mean."""
    z, y, x = space.shape
    fine = (space.spacing[0] / planes, *space.spacing[1:])
    dark, labels = make_neuropil(Space((z * planes, y, x), fine, space.random), stain)
    bright = 1 - dark.reshape(z, planes, y, x).mean(1)
    return bright, labels.reshape(z, planes, y, x)[:, planes // 2]


def _make_sstem(space: Space) -> tuple[Array, Labels]:
    random = space.random
    bright, labels = _sections(space, Stain(), 3)
    bright = imaging.blur(bright, space, (0, random.uniform(1.5, 5)))
    bright = imaging.jitter_sections(bright, random, pixels=random.uniform(0, 1.2))
    bright = imaging.shade(bright, space, random.uniform(0, 0.05))
    noise = {"grain": random.uniform(0.03, 0.09), "counts": random.uniform(100, 1000)}
    return imaging.add_noise(bright, random, **noise), labels


def _make_sbem(space: Space) -> tuple[Array, Labels]:
    random = space.random
    stain = Stain(
        membrane=(0.3, 0.55), mitochondrion=(0.15, 0.45), cristae=(0.02, 0.12),
        organelles=(0.05, 0.25), grain=(0.02, 0.06),
    )  # fmt: skip
    bright, labels = _sections(space, stain, 2)
    bright = imaging.blur(bright, space, (0, random.uniform(4, 9)))
    bright = imaging.charge(bright, random, random.uniform(0, 0.03))
    bright = imaging.shade(bright, space, random.uniform(0, 0.08))
    noise = {"grain": random.uniform(0.03, 0.12), "counts": random.uniform(50, 500)}
    return imaging.add_noise(bright, random, **noise), labels


def _make_fibsem(space: Space) -> tuple[Array, Labels]:
    random = space.random
    stain = Stain(
        diameter=(170, 420), membrane=(0.4, 0.75), mitochondrion=(0.15, 0.55),
        cristae=(0.02, 0.12), organelles=(0.05, 0.3),
    )  # fmt: skip
    bright, labels = _sections(space, stain, 1)
    sigma = random.uniform(4, 8)
    bright = imaging.blur(bright, space, (sigma, sigma))
    bright = imaging.curtain(bright, random, random.uniform(0, 0.015))
    bright = imaging.shade(bright, space, random.uniform(0, 0.04))
    noise = {"grain": random.uniform(0.02, 0.07), "counts": random.uniform(150, 1500)}
    return imaging.add_noise(bright, random, **noise), labels


SYNTHETIC_KINDS: Mapping[str, SyntheticKind] = {
    "sstem": SyntheticKind(
        "Neuropil, serial sections in the transmission EM", (50, 4, 4), _NEUROPIL, _make_sstem
    ),
    "sbem": SyntheticKind(
        "Neuropil, serial block-face EM", (30, 10, 10), _NEUROPIL, _make_sbem
    ),
    "fibsem": SyntheticKind(
        "Neuropil, focused-ion-beam EM", (10, 10, 10), _NEUROPIL, _make_fibsem
    ),
    "nuclei": SyntheticKind(
        "Fluorescent nuclei, confocal", (280, 130, 130), {1: "background", 2: "nucleus"},
        make_nuclei,
    ),
    "cells": SyntheticKind(
        "Stained cell walls, light sheet", (250, 160, 160), {1: "boundary", 2: "interior"},
        make_walls,
    ),
    "rock": SyntheticKind(
        "Sandstone, X-ray micro-CT", (3500, 3500, 3500),
        {1: "pore", 2: "clay", 3: "quartz", 4: "heavy mineral"}, make_rock,
    ),
}  # fmt: skip
