"""Tiles as the network needs them: read with their halo, standardised, with their features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.classical.features import feature_halo
from napari_densify.core.blocks import Region, bounds_of
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import Intensity
from napari_densify.core.settings import Triple
from napari_densify.core.volume import Volume
from napari_densify.inference.inputs import feature_bank, standardise
from napari_densify.inference.stages import Stopwatch
from napari_densify.inference.tiling import BEYOND, feature_depth, halo_cells, is_slicewise
from napari_densify.networks import level_strides

__all__ = ["Empty", "Prepared", "TileReader"]

Empty = tuple[tuple[float, ...], tuple[int, ...], tuple[tuple[int, int], ...]]
"""Value of each channel, shape as read, bounds of the answer in it."""


@dataclass(frozen=True)
class Prepared:
    """A tile that is read and encoded: what the network needs, still on the CPU.

    Attributes
    ----------
    region
        Voxels of the volume that are to be answered.
    voxels
        ``(C, Z, Y, X)`` standardised intensities with their halo.
    features
        ``(F, z, y, x)`` on the working grid, or None.
    crop
        ``region`` within the network's answer.
    empty
        Recognises a tile whose voxels are all alike, to be answered only once; else None.
    """

    region: Region
    voxels: torch.Tensor
    features: torch.Tensor | None
    crop: Region
    empty: Empty | None = None


class TileReader:
    """Reads and encodes tiles of a volume for a model.

    Parameters
    ----------
    spec
        What the model knows of itself.
    intensity
        Intensities of the whole volume.
    threads
        CPU threads for features; all by default.
    constant
        Whether to recognise tiles that hold a single grey value.
    """

    def __init__(
        self, spec: ModelSpec, intensity: Intensity, threads: int | None, *, constant: bool
    ) -> None:
        self.spec, self._intensity = spec, intensity
        self._threads, self._constant = threads, constant
        self._bank = feature_halo(spec.features) if spec.features else 0
        self._deep = feature_depth(spec)

    @property
    def halo(self) -> Triple:
        """Voxels (Z, Y, X) read beyond a region on each side."""
        z, y, x = (
            (c + extra) * f
            for c, extra, f in zip(
                halo_cells(self.spec),
                (self._deep, self._bank, self._bank),
                self.spec.working_factor,
                strict=True,
            )
        )
        return z, y, x

    def read(
        self, volume: Volume, region: Region, watch: Stopwatch
    ) -> tuple[npt.NDArray[Any], Region, Empty | None]:
        """Read a region: voxels with their halo, its bounds in them, and whether it is empty."""
        with watch("read"):
            image, inner = self._read(volume, region)
            return image, inner, _recognise(image, inner) if self._constant else None

    def encode(
        self, image: npt.NDArray[Any], region: Region, inner: Region, watch: Stopwatch
    ) -> Prepared:
        """Standardise what was read, and compute its features."""
        spec = self.spec
        with watch("normalise"):
            voxels = standardise(image, self._intensity, spec.working_factor)
        fine, coarse = self._without_feature_halo(image.shape[1:])
        bank = None
        if spec.features is not None:
            beyond = (self._deep + spec.slice_reach - spec.features.reach) * spec.working_factor[0]
            # Nothing was measured for a network that is only to be timed.
            scale = (spec.feature_offset, spec.feature_gain) if spec.feature_gain else None
            with watch("features"):
                bank = feature_bank(
                    voxels[:, beyond : voxels.shape[1] - beyond],
                    spec.working_factor, spec.features, threads=self._threads,
                    inner=coarse, scale=scale,
                )  # fmt: skip
        ends = (self._deep + spec.slice_reach) * spec.working_factor[0]
        skipped = (ends, fine[2].start, fine[3].start)
        z, y, x = (slice(s.start - o, s.stop - o) for s, o in zip(inner, skipped, strict=True))
        with watch("normalise"):
            half = torch.from_numpy(voxels[fine].astype(np.float16))
        return Prepared(region, half, bank, (z, y, x))

    @property
    def _phases(self) -> Triple:
        """Voxels (Z, Y, X) in whose steps tiles are read: then pools fall on the same voxels."""
        z, y, x = (
            f * s
            for f, s in zip(
                self.spec.working_factor, level_strides(self.spec.network)[-1], strict=True
            )
        )
        return z, y, x

    @property
    def _context_beyond(self) -> Triple:
        """Working cells (Z, Y, X) beyond the volume's border that the network sees."""
        z, y, x = self.spec.context
        if not is_slicewise(self.spec) or self.spec.network.padding == "valid":
            return z, y, x
        return z, min(y, BEYOND), min(x, BEYOND)

    def _read(self, volume: Volume, region: Region) -> tuple[npt.NDArray[Any], Region]:
        """Read a region with its halo; mirror where the halo leaves the volume."""
        boxes, pads, inner = [], [], []
        for side, halo, n, whole, context, more, cell in zip(
            region, self.halo, volume.shape, self._phases, self._context_beyond,
            (self._deep, self._bank, self._bank), self.spec.working_factor, strict=True,
        ):  # fmt: skip
            start = (side.start - halo) // whole * whole
            stop = -(-(side.stop + halo) // whole) * whole
            # Beyond the volume's border nothing is to be seen: no more than in training.
            beyond = -(-(context + more) * cell // whole) * whole
            start, stop = max(start, -beyond), min(stop, -(-n // whole) * whole + beyond)
            low, high = max(0, start), min(n, stop)
            boxes.append(slice(low, high))
            pads.append((low - start, stop - high))
            inner.append(slice(side.start - start, side.stop - start))
        image = volume.read((boxes[0], boxes[1], boxes[2]))
        if any(max(p) for p in pads):
            image = np.pad(image, [(0, 0), *pads], mode="reflect")
        return image, (inner[0], inner[1], inner[2])

    def _without_feature_halo(
        self, shape: tuple[int, ...]
    ) -> tuple[tuple[slice, ...], tuple[slice, slice]]:
        """Bounds of what the network sees of a read region: in voxels, and Y and X in cells."""
        fz, fy, fx = self.spec.working_factor
        y, x = (
            slice(self._bank, n // f - self._bank) for n, f in zip(shape[1:], (fy, fx), strict=True)
        )
        fine = (slice(y.start * fy, y.stop * fy), slice(x.start * fx, x.stop * fx))
        deep = self._deep * fz
        return (slice(None), slice(deep, shape[0] - deep), *fine), (y, x)


def _recognise(image: npt.NDArray[Any], inner: Region) -> Empty | None:
    """Say what tells a constant tile ``(C, Z, Y, X)`` from others; None if it isn't constant."""
    first = image[:, :1, :1, :1]
    if (image[:, ::7, ::61, ::61] != first).any() or (image != first).any():
        return None
    return tuple(float(v) for v in first.ravel()), image.shape, bounds_of(inner)
