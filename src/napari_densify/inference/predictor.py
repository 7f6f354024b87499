"""Probabilities of any region of a volume, the same whichever region is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_densify.classical.features import feature_halo
from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import Intensity, measure_intensity
from napari_densify.core.settings import Triple
from napari_densify.core.volume import Volume
from napari_densify.inference.device import autocast_dtype
from napari_densify.inference.inputs import (
    class_scores,
    encode,
    network_input,
    scale_features,
    spec_logits,
)
from napari_densify.inference.memory import PaintMemory
from napari_densify.networks import SameSize

__all__ = ["Predictor"]

# Flips (of the last two axes) and transposes, the most different ones first.
_TURNS: tuple[tuple[tuple[int, ...], bool], ...] = (
    ((), False), ((-2, -1), False), ((-1,), True), ((-2,), True),
    ((-1,), False), ((-2,), False), ((), True), ((-2, -1), True),
)  # fmt: skip


class Predictor:
    """A trained network bound to one volume.

    Parameters
    ----------
    network
        Network in evaluation mode, on ``device``.
    spec
        What the model knows of itself.
    volume
        Image to be predicted.
    device
        Where the network is.
    precision
        ``auto``, ``float32``, ``bf16`` or ``fp16``.
    mirrors
        Flips and transposes to average over (1 to 8).
    intensity
        Intensities of the volume; measured if not given.
    memory
        Paint of this very volume, whose interpolation is weighed in.

    Raises
    ------
    InputError
        If the volume has other channels than the model was trained on.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: ModelSpec,
        volume: Volume,
        *,
        device: torch.device,
        precision: str = "auto",
        mirrors: int = 1,
        intensity: Intensity | None = None,
        memory: PaintMemory | None = None,
    ) -> None:
        if volume.channels != spec.image_channels:
            raise InputError(
                f"image has {volume.channels} channel(s), the model was trained on "
                f"{spec.image_channels}",
                where=volume.source or volume.name,
                mend="choose the same channels with --channels",
            )
        self.spec, self.volume, self.device = spec, volume, device
        self._network = SameSize(network, spec.network)
        self._dtype = autocast_dtype(device, precision)
        self._turns = _TURNS[:mirrors]
        self._memory = memory
        self._intensity = intensity or measure_intensity(volume, spec.normalisation)

    @property
    def halo(self) -> Triple:
        """Voxels (Z, Y, X) read beyond a region on each side."""
        bank = feature_halo(self.spec.features) if self.spec.features else 0
        z, y, x = (
            (c + extra) * f
            for c, extra, f in zip(
                self.spec.context, (0, bank, bank), self.spec.working_factor, strict=True
            )
        )
        return z, y, x

    def predict_region(self, region: Region) -> npt.NDArray[np.float32]:
        """Predict class probabilities.

        Parameters
        ----------
        region
            Box in voxels of the volume.

        Returns
        -------
        ``(K, Z, Y, X)`` float32; sums to 1 over the classes.
        """
        image, inner = self._read(region)
        factor = self.spec.working_factor
        slices = np.zeros(image.shape[1] // factor[0], bool)
        ends = self.spec.slice_reach
        slices[ends : len(slices) - ends] = True
        encoded = encode(
            image, self._intensity, factor=factor, features=self.spec.features, slices=slices
        )
        fine, coarse = self._without_feature_halo(image.shape[1:])
        voxels = encoded.image[fine][None].to(self.device)
        bank = None
        if encoded.features is not None:
            depth = encoded.features.shape[1]
            cropped = encoded.features[coarse][:, ends : depth - ends]
            scaled = scale_features(cropped, self.spec.feature_offset, self.spec.feature_gain)
            bank = scaled[None].to(self.device)
        probabilities = self._averaged(voxels, bank)
        skipped = (self.spec.slice_reach * factor[0], fine[2].start, fine[3].start)
        crop = tuple(slice(s.start - o, s.stop - o) for s, o in zip(inner, skipped, strict=True))
        out: npt.NDArray[np.float32] = probabilities[(slice(None), *crop)].cpu().numpy()
        return out if self._memory is None else _weigh(out, self._memory.log_prior(region))

    def _read(self, region: Region) -> tuple[npt.NDArray[Any], Region]:
        """Read a region with its halo; mirror where the halo leaves the volume."""
        boxes, pads, inner = [], [], []
        for side, halo, n, cell in zip(
            region, self.halo, self.volume.shape, self.spec.working_factor, strict=True
        ):
            start = (side.start - halo) // cell * cell
            stop = -(-(side.stop + halo) // cell) * cell
            low, high = max(0, start), min(n, stop)
            boxes.append(slice(low, high))
            pads.append((low - start, stop - high))
            inner.append(slice(side.start - start, side.stop - start))
        image = self.volume.read((boxes[0], boxes[1], boxes[2]))
        if any(max(p) for p in pads):
            image = np.pad(image, [(0, 0), *pads], mode="reflect")
        return image, (inner[0], inner[1], inner[2])

    def _without_feature_halo(
        self, shape: tuple[int, ...]
    ) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        bank = feature_halo(self.spec.features) if self.spec.features else 0
        fine, coarse = [slice(None)], [slice(None)]
        for n, extra, f in zip(shape, (0, bank, bank), self.spec.working_factor, strict=True):
            cells = n // f
            coarse.append(slice(extra, cells - extra))
            fine.append(slice(extra * f, (cells - extra) * f))
        return tuple(fine), tuple(coarse)

    @torch.inference_mode()
    def _averaged(self, voxels: torch.Tensor, bank: torch.Tensor | None) -> torch.Tensor:
        total: torch.Tensor | None = None
        for flips, transpose in self._turns:
            turned = self._forward(
                self._turn(voxels, flips, transpose),
                None if bank is None else self._turn(bank, flips, transpose),
            )
            probabilities = self._turn_back(turned, flips, transpose)
            total = probabilities if total is None else total.add_(probabilities)
        assert total is not None
        return (total / len(self._turns))[0]

    def _forward(self, voxels: torch.Tensor, bank: torch.Tensor | None) -> torch.Tensor:
        inputs = network_input(
            voxels,
            bank,
            self.spec.working_factor,
            self.spec.subvoxel,
            self.spec.neighbours,
            self.spec.neighbour_step,
        )
        with torch.autocast(
            self.device.type, dtype=self._dtype or torch.bfloat16, enabled=self._dtype is not None
        ):
            raw = self._network(inputs if self._dtype else inputs.float())
        assert isinstance(raw, torch.Tensor)  # several only in training mode
        return class_scores(spec_logits(raw.float(), self.spec), self.spec)

    @staticmethod
    def _turn(array: torch.Tensor, flips: tuple[int, ...], transpose: bool) -> torch.Tensor:
        flipped = array.flip(flips) if flips else array
        return flipped.transpose(-1, -2) if transpose else flipped

    @staticmethod
    def _turn_back(array: torch.Tensor, flips: tuple[int, ...], transpose: bool) -> torch.Tensor:
        back = array.transpose(-1, -2) if transpose else array
        return back.flip(flips) if flips else back


def _weigh(
    probabilities: npt.NDArray[np.float32], log_prior: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Multiply two independent opinions ``(K, Z, Y, X)`` and normalise."""
    log: npt.NDArray[np.float32] = np.log(probabilities.clip(1e-6)) + log_prior
    log -= log.max(0, keepdims=True)
    np.exp(log, out=log)
    log /= log.sum(0, keepdims=True)
    return log
