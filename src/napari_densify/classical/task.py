"""What a classical method is given: an image, paint, and the codes it may answer with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from napari_densify.classical.smoothing import (
    gaussian_kernel,
    kernel_reach,
    separable,
    smoothing_sigmas,
)
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

# Exact in float32: filters may convert them as they go, plane by plane.
_SUMMED_AS_STORED = (np.uint8, np.int8, np.uint16, np.int16)
_SAMPLE_VOXELS = 1 << 25
_QUICK_VOXELS = 1 << 15
_QUICK_PLANE = 1 << 16
_QUICK_SLICES = 3


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
    memory
        What a worker remembers from one task to the next: features of painted slices.
    """

    volume: Volume
    paint: Paint | None
    table: ClassTable
    control: JobControl = field(default_factory=JobControl)
    quick: bool = False
    probabilities: Volume | None = None
    memory: MutableMapping[Any, Any] = field(default_factory=dict)

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

    @property
    def identity(self) -> tuple[Any, ...]:
        """What tells this image from others that a worker may see."""
        volume = self.volume
        return (volume.source or id(volume.data), volume.shape, volume.spacing)

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

    def planes(self) -> Iterator[Region]:
        """Painted slices to learn from, whole ones; for a preview, windows of a few."""
        if self.paint is None:
            return
        numbers = self.paint.slices
        if self.quick and len(numbers) > _QUICK_SLICES:
            picks = np.linspace(0, len(numbers) - 1, _QUICK_SLICES).round().astype(int)
            numbers = tuple(numbers[i] for i in picks)
        for z in numbers:
            limit = _QUICK_PLANE if self.quick else self.paint.plane(z).size
            window = best_window(self.paint.plane(z), self.classes, limit)
            yield (slice(z, z + 1), *window)

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
        return _as_float(self._raw(region, channel))

    def _raw(self, region: Region, channel: int) -> npt.NDArray[Any]:
        """Intensities ``(Z, Y, X)`` as they are stored, not to be written to."""
        if channel >= self.volume.channels:
            raise InputError(
                f"the image has {self.volume.channels} channel(s), number {channel} is not there",
                where="channel",
                mend="count from 0",
            )
        stored: npt.NDArray[Any] = self.volume.read(region)[channel]
        return stored

    def smooth(self, region: Region, parameters: Parameters) -> Image:
        """Read a region and smooth it; equal to a crop of the whole volume, smoothed."""
        return self.filtered(region, parameters, [np.ones(1)] * 3)

    def filtered(
        self, region: Region, parameters: Parameters, kernels: Sequence[npt.NDArray[Any]]
    ) -> Image:
        """As :meth:`smooth`, filtered by further kernels along Z, Y and X in the same go."""
        sigmas = smoothing_sigmas(parameters.sigma, self.volume.spacing)
        both = [
            np.convolve(gaussian_kernel(sigma), kernel)
            for sigma, kernel in zip(sigmas, kernels, strict=True)
        ]
        read, inner = grow(region, kernel_reach(both), self.volume.shape)
        raw = self._raw(read, parameters.channel)
        image = raw if raw.dtype in _SUMMED_AS_STORED else _as_float(raw)
        smooth: Image = separable(image, both, inner)
        return smooth

    def sample(self, parameters: Parameters) -> Image:
        """Smoothed intensities of the whole volume, or of slices spread over a large one."""
        z, y, x = self.volume.shape
        max_voxels = 8 * _QUICK_VOXELS if self.quick else _SAMPLE_VOXELS
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


def _as_float(intensities: npt.NDArray[Any]) -> Image:
    """Copy as float32; what is not a number becomes 0."""
    image: Image = np.array(intensities, np.float32)
    if intensities.dtype.kind == "f":
        np.nan_to_num(image, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return image


def gaussian(image: Image, sigmas: Sequence[float], inner: tuple[slice, ...]) -> Image:
    """Smooth and crop; equal to ``scipy.ndimage.gaussian_filter(image, sigmas)[inner]``."""
    smooth: Image = separable(image, [gaussian_kernel(sigma) for sigma in sigmas], inner)
    return smooth


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
