"""What a classical method is given: an image, paint, and the codes it may answer with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from napari_densify.core.base import Settings
from napari_densify.core.blocks import Region, full_region
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.labels import UNLABELLED, ClassTable, label_dtype
from napari_densify.core.volume import ArrayLike, Volume

__all__ = [
    "Image",
    "Labels",
    "Paint",
    "Parameters",
    "Rule",
    "Task",
    "best_window",
    "gaussian",
    "grow",
    "smoothing_sigmas",
]

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[Any]
Rule = Callable[[Region], Labels]
"""Dense labels of any region; what it gives must not depend on how regions are cut."""

_TRUNCATE = 4.0
_SAMPLE_VOXELS = 1 << 25
_QUICK_VOXELS = 1 << 16


class Parameters(Settings):
    """Parameters that every method on intensities has."""

    channel: int = Field(0, ge=0, title="Channel", description="Image channel that is looked at")
    sigma: float = Field(
        1.0,
        ge=0,
        le=20,
        title="Smoothing",
        description="Gaussian smoothing before anything else, along X; scaled to Y and Z by "
        "the voxel size",
        json_schema_extra={"unit": "voxels"},
    )


@dataclass(frozen=True)
class Paint:
    """Annotations with what methods ask of them; read slice by slice."""

    array: ArrayLike

    @cached_property
    def slices(self) -> tuple[int, ...]:
        """Numbers of the Z slices that hold paint."""
        return tuple(z for z in range(self.array.shape[0]) if self.plane(z).any())

    @cached_property
    def values(self) -> tuple[int, ...]:
        """Codes that occur, ascending."""
        found: set[int] = set()
        for z in self.slices:
            found.update(np.unique(self.plane(z)).tolist())
        return tuple(sorted(found - {UNLABELLED}))

    def plane(self, z: int) -> Labels:
        """Read one slice ``(Y, X)``."""
        return np.asarray(self.array[z])

    def read(self, region: Region) -> Labels:
        """Read a region ``(Z, Y, X)``."""
        return np.asarray(self.array[region])

    def boxes(self, limit: int | None = None) -> Iterator[Region]:
        """One box for each slice that holds paint: all of it, or ``limit`` voxels of it."""
        for z in self.slices:
            plane = self.plane(z)
            if limit is not None and plane.size > limit:
                yield (slice(z, z + 1), *best_window(plane, self.values, limit))
                continue
            rows = np.flatnonzero((plane != UNLABELLED).any(1))
            columns = np.flatnonzero((plane != UNLABELLED).any(0))
            yield (
                slice(z, z + 1),
                slice(int(rows[0]), int(rows[-1]) + 1),
                slice(int(columns[0]), int(columns[-1]) + 1),
            )


@dataclass(frozen=True)
class Task:
    """An image, the paint on it, and the class codes.

    Attributes
    ----------
    volume
        Image; read in pieces.
    paint
        Sparse annotations of the same shape; None where there are none.
    table
        Classes in ascending order of code.
    control
        Mailbox of the job; methods that iterate look at ``stop``.
    quick
        For previews: what is learned from the whole volume and from paint is
        learned from a sample of them.
    probabilities
        Of a network, one channel for each class; None where there are none.
    """

    volume: Volume
    paint: Paint | None
    table: ClassTable
    control: JobControl = field(default_factory=JobControl)
    quick: bool = False
    probabilities: Volume | None = None

    @property
    def classes(self) -> tuple[int, ...]:
        """Class codes, ascending."""
        return self.table.values

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the labels."""
        return label_dtype(max(self.classes))

    @property
    def region(self) -> Region:
        """All of the volume."""
        return full_region(self.volume.shape)

    def require_paint(self) -> Paint:
        """Return the paint.

        Raises
        ------
        InputError
            If there is none.
        """
        if self.paint is None or not self.paint.slices:
            raise InputError(
                "this method learns from paint, and there is none",
                where="annotations",
                mend="paint at least two classes, or choose a method that needs no paint",
            )
        return self.paint

    def boxes(self) -> Iterator[Region]:
        """Boxes of paint to learn from."""
        return self.require_paint().boxes(_QUICK_VOXELS if self.quick else None)

    def seeds(self) -> npt.NDArray[np.int32]:
        """Paint of the whole volume as ``(Z, Y, X)`` codes."""
        return self.require_paint().read(self.region).astype(np.int32)

    def image(self, region: Region, channel: int = 0) -> Image:
        """Read intensities ``(Z, Y, X)`` of one channel, always a copy.

        Raises
        ------
        InputError
            If the image has no such channel.
        """
        if channel >= self.volume.channels:
            raise InputError(
                f"the image has {self.volume.channels} channel(s), number {channel} is not there",
                where="channel",
                mend="count from 0",
            )
        image: Image = np.array(self.volume.read(region)[channel], np.float32)
        return np.nan_to_num(image, copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    def smooth(self, region: Region, parameters: Parameters) -> Image:
        """Read a region and smooth it; equal to a crop of the whole volume, smoothed."""
        sigmas = smoothing_sigmas(parameters.sigma, self.volume.spacing)
        halo = tuple(int(_TRUNCATE * s + 0.5) for s in sigmas)
        read, inner = grow(region, halo, self.volume.shape)
        image = self.image(read, parameters.channel)
        return gaussian(image, sigmas, inner)

    def sample(self, parameters: Parameters) -> Image:
        """Smoothed intensities of the whole volume, or of slices spread over a large one."""
        z, y, x = self.volume.shape
        max_voxels = 4 * _QUICK_VOXELS if self.quick else _SAMPLE_VOXELS
        if z * y * x <= max_voxels:
            return self.smooth(self.region, parameters)
        edge = max(1, int(np.sqrt(max_voxels / 8)))
        ys, xs = (slice((n - min(n, edge)) // 2, (n + min(n, edge)) // 2) for n in (y, x))
        picks = np.unique(np.linspace(0, z - 1, 8).round().astype(int))
        planes = [self.smooth((slice(int(i), int(i) + 1), ys, xs), parameters) for i in picks]
        return np.concatenate(planes)

    def cropped(self, region: Region) -> Task:
        """Return the task of a region alone, held in memory."""
        data = self.volume.read(region)
        volume = replace(self.volume, data=data, chunks=None)
        paint = None if self.paint is None else Paint(self.paint.read(region))
        guess = self.probabilities
        if guess is not None:
            guess = replace(guess, data=guess.read(region), chunks=None)
        return replace(self, volume=volume, paint=paint, probabilities=guess)

    def certainty(self, region: Region) -> Image:
        """Probability ``(Z, Y, X)``, 0 to 1, of the likeliest class of each voxel.

        Raises
        ------
        InputError
            If no probabilities were given.
        """
        if self.probabilities is None:
            raise InputError(
                "this needs the probabilities of a network, and none are given",
                where="probabilities",
                mend="write them with densify predict --probabilities P.zarr and name that file",
            )
        found = self.probabilities.read(region).max(0)
        scale = np.iinfo(found.dtype).max if found.dtype.kind in "ui" else 1.0
        certainty: Image = (found / scale).astype(np.float32)
        return certainty


def smoothing_sigmas(sigma: float, spacing: Sequence[float]) -> tuple[float, ...]:
    """Gaussian widths in voxels along Z, Y, X for one physical width, given along X."""
    return tuple(sigma * spacing[-1] / s for s in spacing)


def gaussian(image: Image, sigmas: Sequence[float], inner: tuple[slice, ...]) -> Image:
    """Smooth and crop, axis by axis: what is cropped is not smoothed along the next axis.

    Equal to ``scipy.ndimage.gaussian_filter(image, sigmas)[inner]``.
    """
    for axis, sigma in enumerate(sigmas):
        if sigma > 1e-15:
            image = ndimage.gaussian_filter1d(
                image, sigma, axis, truncate=_TRUNCATE, mode="reflect"
            )
        crop = [slice(None)] * image.ndim
        crop[axis] = inner[axis]
        image = image[tuple(crop)]
    return np.ascontiguousarray(image)


def best_window(plane: npt.NDArray[Any], classes: Sequence[int], limit: int) -> tuple[slice, slice]:
    """Part of a slice with at most ``limit`` voxels in which all classes are painted well."""
    height, width = plane.shape
    if height * width <= limit:
        return slice(0, height), slice(0, width)
    edge = max(32, int(np.sqrt(limit)))
    best, chosen = -1.0, (slice(0, edge), slice(0, edge))
    for y, x in product(_starts(height, edge), _starts(width, edge)):
        window = (slice(y, min(y + edge, height)), slice(x, min(x + edge, width)))
        counts = [np.count_nonzero(plane[window] == c) for c in classes]
        quality = float(np.sqrt(counts).sum())
        if quality > best:
            best, chosen = quality, window
    return chosen


def _starts(length: int, edge: int) -> list[int]:
    return sorted({int(s) for s in np.linspace(0, max(0, length - edge), 4)})


def grow(
    region: Region, halo: Sequence[int], shape: Sequence[int]
) -> tuple[Region, tuple[slice, ...]]:
    """Grow a region by a halo within the volume; return it and where the region lies in it."""
    read = tuple(
        slice(max(0, r.start - h), min(n, r.stop + h))
        for r, h, n in zip(region, halo, shape, strict=True)
    )
    inner = tuple(
        slice(r.start - g.start, r.stop - g.start) for r, g in zip(region, read, strict=True)
    )
    return read, inner  # type: ignore[return-value]
