"""Probabilities of any region of a volume, the same whichever region is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_densify.core.blocks import Region, block_grid, region_shape
from napari_densify.core.errors import InputError
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import Intensity, measure_intensity
from napari_densify.core.settings import Triple
from napari_densify.core.volume import Volume
from napari_densify.inference.device import autocast_dtype, compute_budget
from napari_densify.inference.folding import fold_norms
from napari_densify.inference.forest import Forest, enlarged, opinion_pool
from napari_densify.inference.inputs import (
    class_scores,
    network_input,
    spec_logits,
)
from napari_densify.inference.ladder import Ladder, is_out_of_memory
from napari_densify.inference.memory import PaintMemory, weigh
from napari_densify.inference.reading import Empty, Prepared, TileReader
from napari_densify.inference.stages import Stopwatch
from napari_densify.inference.tiling import block_size, is_slicewise, plan_tiling
from napari_densify.networks import SameSize

__all__ = ["Predictor", "Prepared"]

# Convolutions are fastest in it, in both precisions, on CPUs and GPUs.
_LAYOUT = torch.channels_last_3d

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
        Network in evaluation mode; it isn't changed.
    spec
        What the model knows of itself.
    volume
        Image to be predicted.
    device
        Where to compute.
    precision
        ``auto``, ``float32``, ``bf16`` or ``fp16``.
    mirrors
        Flips and transposes to average over (1 to 8).
    intensity
        Intensities of the volume; measured if not given.
    memory
        Paint of this very volume, whose interpolation is weighed in.
    forest
        Forest that was trained with the network; weighed in as the model says.
    threads
        CPU threads for features; all by default.
    extent
        Shape (Z, Y, X) of the largest region that will be asked for, which tiles are
        planned for; that of the volume by default.

    Attributes
    ----------
    watch
        Seconds spent in each stage so far.

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
        forest: Forest | None = None,
        threads: int | None = None,
        extent: Triple | None = None,
    ) -> None:
        if volume.channels != spec.image_channels:
            raise InputError(
                f"image has {volume.channels} channel(s), the model was trained on "
                f"{spec.image_channels}",
                where=volume.source or volume.name,
                mend="choose the same channels with --channels",
            )
        self.spec, self.volume, self.watch = spec, volume, Stopwatch()
        self._folded, self._precision = fold_norms(network), precision
        self._turns, self._memory = _TURNS[:mirrors], memory
        self._trees = forest
        self.intensity = intensity or measure_intensity(volume, spec.normalisation)
        self._reader = TileReader(spec, self.intensity, threads, constant=memory is None)
        self._slicewise = is_slicewise(spec)
        self._answers: dict[Empty | None, npt.NDArray[np.float32]] = {}
        block = block_size(extent or volume.shape, spec)
        tiling = plan_tiling(spec, volume.shape, block, compute_budget(device))
        self._ladder = Ladder(tiling, device, spec.working_factor)
        self._place(device)

    def _place(self, device: torch.device) -> None:
        self.device = device
        self._forest = None if self._trees is None else self._trees.to(device)
        self._dtype = autocast_dtype(device, self._precision)
        network = self._folded.to(device).to(memory_format=_LAYOUT)  # type: ignore[call-overload]
        self._network = SameSize(network, self.spec.network)

    @property
    def halo(self) -> Triple:
        """Voxels (Z, Y, X) read beyond a region on each side."""
        return self._reader.halo

    def take_notices(self) -> list[str]:
        """Return what the user should know since the last call, and forget it."""
        notices, self._ladder.notices = self._ladder.notices, []
        return notices

    def tiles(self, region: Region) -> list[Region]:
        """Cut a region into what is computed at once."""
        return [_within(b.write, region) for b in block_grid(region_shape(region), self._tile)]

    @property
    def _tile(self) -> Triple:
        return self._ladder.tiling.tile

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
        tiles = self.tiles(region)
        if len(tiles) == 1:
            return self.compute(self.prepare(region))
        out = np.empty((len(self.spec.classes), *region_shape(region)), np.float32)
        for tile in tiles:
            out[(slice(None), *_relative(tile, region))] = self.compute(self.prepare(tile))
        return out

    def prepare(self, region: Region, *, always: bool = False) -> Prepared:
        """Read and encode a tile; may run in another thread than :meth:`compute`.

        Parameters
        ----------
        region
            Box in voxels of the volume.
        always
            Encode it even if it is empty and the answer is remembered: somebody else
            looks at its features too.
        """
        image, inner, empty = self._reader.read(self.volume, region, self.watch)
        if empty is not None and empty in self._answers and not always:
            return Prepared(region, torch.empty(0), None, inner, empty)
        return replace(self._reader.encode(image, region, inner, self.watch), empty=empty)

    def compute(self, prepared: Prepared) -> npt.NDArray[np.float32]:
        """Predict a prepared tile: ``(K, Z, Y, X)`` float32.

        When memory runs out less is computed at once from then on: see
        :meth:`take_notices`.

        Raises
        ------
        MemoryError
            If the smallest tile doesn't fit either.
        """
        if prepared.empty in self._answers:
            return self._answers[prepared.empty]
        if not prepared.voxels.numel():  # its answer has been replaced by another's since
            prepared = self.prepare(prepared.region, always=True)
        if len(self.tiles(prepared.region)) > 1:  # prepared before memory ran out
            return self.predict_region(prepared.region)
        try:
            answer = self._compute(prepared)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._ladder.step_down(error)
        else:
            if prepared.empty is not None:
                self._answers = {prepared.empty: answer}
            return answer
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self._ladder.device != self.device:
            self._place(self._ladder.device)
        return self.predict_region(prepared.region)

    def _compute(self, prepared: Prepared) -> npt.NDArray[np.float32]:
        depth = prepared.voxels.shape[1] // self.spec.working_factor[0] - 2 * self.spec.slice_reach
        slab = self._ladder.tiling.slab if self._slicewise else depth
        z, y, x = prepared.crop
        out = np.empty((len(self.spec.classes), *region_shape(prepared.region)), np.float32)
        for start in range(0, depth, slab):
            stop = min(start + slab, depth)
            low, high = (n * self.spec.working_factor[0] for n in (start, stop))
            low, high = max(low, z.start), min(high, z.stop)
            if low >= high:
                continue  # halo of a slice-wise network
            answer = self._slab(prepared, start, stop)
            offset = start * self.spec.working_factor[0]
            inner = answer[:, low - offset : high - offset, y, x]
            if self._forest is not None and prepared.features is not None:
                with self.watch("forest"):
                    opinion = self._opinion(prepared.features, (slice(low, high), y, x))
                    inner = opinion_pool(inner, opinion, self.spec.forest)
            with self.watch("copy"):
                out[:, low - z.start : high - z.start] = inner.cpu().numpy()
        if self._memory is None:
            return out
        with self.watch("blend"):
            return weigh(out, self._memory.log_prior(prepared.region))

    def _opinion(self, features: torch.Tensor, box: Region) -> torch.Tensor:
        """Forest's probabilities ``(K, Z, Y, X)`` of a box of voxels, nothing of the halo."""
        assert self._forest is not None
        factor = self.spec.working_factor
        cells = [  # one more on each side, for the interpolation between cells
            slice(max(0, s.start // f - 1), min(n, -(-s.stop // f) + 1))
            for s, f, n in zip(box, factor, features.shape[1:], strict=True)
        ]
        part = features[(slice(None), *cells)].to(self.device)
        fine = enlarged(self._forest.predict(part), factor)
        inner = (
            slice(s.start - c.start * f, s.stop - c.start * f)
            for s, c, f in zip(box, cells, factor, strict=True)
        )
        return fine[(slice(None), *inner)]

    def _slab(self, prepared: Prepared, start: int, stop: int) -> torch.Tensor:
        """Probabilities ``(K, Z, Y, X)`` of some slices of a tile, halo in the plane included."""
        cell, ends = self.spec.working_factor[0], self.spec.slice_reach
        with self.watch("copy"):
            voxels = prepared.voxels[:, start * cell : (stop + 2 * ends) * cell]
            bank = None if prepared.features is None else prepared.features[:, start:stop]
            voxels = voxels[None].to(self.device)
            bank = None if bank is None else bank[None].to(self.device)
        with self.watch("network"):
            answer = self._averaged(voxels, bank)
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
        return answer

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
        if self._slicewise:  # (1, C, z, y, x) to (z, C, 1, y, x)
            inputs = inputs.transpose(0, 2)
        inputs = inputs.to(self._dtype or torch.float32, memory_format=_LAYOUT)
        with torch.autocast(
            self.device.type, dtype=self._dtype or torch.bfloat16, enabled=self._dtype is not None
        ):
            raw = self._network(inputs)
        assert isinstance(raw, torch.Tensor)  # several only in training mode
        raw = raw.transpose(0, 2) if self._slicewise else raw
        return class_scores(spec_logits(raw.float(), self.spec), self.spec)

    @staticmethod
    def _turn(array: torch.Tensor, flips: tuple[int, ...], transpose: bool) -> torch.Tensor:
        flipped = array.flip(flips) if flips else array
        return flipped.transpose(-1, -2) if transpose else flipped

    @staticmethod
    def _turn_back(array: torch.Tensor, flips: tuple[int, ...], transpose: bool) -> torch.Tensor:
        back = array.transpose(-1, -2) if transpose else array
        return back.flip(flips) if flips else back


def _within(part: Region, whole: Region) -> Region:
    """Move a box that is relative to ``whole`` to where it lies in the volume."""
    z, y, x = (slice(p.start + w.start, p.stop + w.start) for p, w in zip(part, whole, strict=True))
    return z, y, x


def _relative(part: Region, whole: Region) -> Region:
    """Bounds of a box of the volume relative to ``whole``."""
    z, y, x = (slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, whole, strict=True))
    return z, y, x
