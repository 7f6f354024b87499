"""Prediction of a whole volume, block by block, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.core.blocks import Block, Region, block_grid, full_region, parse_region
from napari_densify.core.control import JobControl
from napari_densify.core.events import Event, Notice, Progress
from napari_densify.core.labels import label_dtype
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import PredictSettings, Triple
from napari_densify.core.volume import Volume
from napari_densify.inference.allocator import keep_freed_memory
from napari_densify.inference.device import select_device
from napari_densify.inference.memory import recall
from napari_densify.inference.predictor import Predictor

__all__ = ["Outputs", "block_size", "predict_volume"]

# Voxels of a block on the working grid: bounds memory at about 2 GB with features.
_BLOCK_CELLS = 1_500_000
_EDGE = 512


class BlockSink(Protocol):
    """Where blocks of a result go (``io.create_sink`` makes them)."""

    def write(self, region: Region, array: npt.NDArray[Any]) -> None:
        """Write ``(z, y, x)`` or ``(C, z, y, x)`` values."""
        ...

    def done(self, index: tuple[int, int, int]) -> None:
        """Remember that a block is complete."""
        ...

    def is_done(self, index: tuple[int, int, int]) -> bool:
        """Whether an earlier run finished this block."""
        ...


@dataclass(frozen=True)
class Outputs:
    """What is written: labels, and probabilities and uncertainty where wanted.

    Attributes
    ----------
    labels
        ``(Z, Y, X)`` label codes.
    probabilities
        ``(K, Z, Y, X)`` uint8, 255 is certain.
    uncertainty
        ``(Z, Y, X)`` uint8, entropy over its maximum, 255 is a coin toss.
    """

    labels: BlockSink
    probabilities: BlockSink | None = None
    uncertainty: BlockSink | None = None

    @property
    def sinks(self) -> list[BlockSink]:
        """The sinks that are in use."""
        return [s for s in (self.labels, self.probabilities, self.uncertainty) if s is not None]


def predict_volume(
    network: torch.nn.Module,
    spec: ModelSpec,
    volume: Volume,
    outputs: Outputs,
    settings: PredictSettings | None = None,
    *,
    extra: Mapping[str, torch.Tensor] | None = None,
    control: JobControl | None = None,
) -> Iterator[Event]:
    """Predict a volume, blocks nearest to what the user looks at first.

    Parameters
    ----------
    network, spec
        A loaded model.
    volume
        Image with the channels that the model was trained on.
    outputs
        Sinks to be written; the caller opens and closes them.
    settings
        Device, region, block size, mirrored passes, resume.
    extra
        Further tensors of the model file: the paint that it remembers.
    control
        Mailbox read between two blocks.

    Yields
    ------
    ``Progress`` after each block; stopped early if the control says so.
    """
    settings, control = settings or PredictSettings(), control or JobControl()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    keep_freed_memory()
    device = select_device(settings.device)
    region = parse_region(settings.region, volume.shape) if settings.region else None
    predictor = Predictor(
        network.to(device), spec, volume, device=device, precision=settings.precision,
        mirrors=settings.mirrors or resolve_mirrors(spec, region or full_region(volume.shape)),
        memory=recall(extra or {}, spec, volume),
    )  # fmt: skip
    if warning := spacing_warning(spec, volume):
        yield Notice(level="warning", message=warning)
    size = settings.block or block_size(volume.shape, spec.working_factor)
    blocks = list(block_grid(volume.shape, size, region=region))
    waiting = [
        b for b in blocks
        if not (settings.resume and all(s.is_done(b.index) for s in outputs.sinks))
    ]  # fmt: skip
    started, total = time.monotonic(), len(waiting)
    while waiting and not control.stop:
        block = waiting.pop(_nearest(waiting, control.view))
        _write(predictor.predict_region(block.write), block, spec, outputs)
        finished = total - len(waiting)
        eta = (time.monotonic() - started) / finished * len(waiting)
        yield Progress(
            done=len(blocks) - len(waiting), total=len(blocks), unit="blocks", eta_s=eta,
            message="predicting",
        )  # fmt: skip


def block_size(shape: Triple, factor: Triple) -> Triple:
    """Write size of a block that keeps memory bounded: wide in X and Y, as deep as fits."""
    edges = [min(-(-n // f), _EDGE) for n, f in zip(shape[1:], factor[1:], strict=True)]
    depth = max(1, min(-(-shape[0] // factor[0]), _BLOCK_CELLS // (edges[0] * edges[1])))
    return depth * factor[0], edges[0] * factor[1], edges[1] * factor[2]


def resolve_mirrors(spec: ModelSpec, region: Region) -> int:
    """Mirrored passes that a region's size leaves time for, by voxels: repeatable."""
    cells = np.prod(
        [(s.stop - s.start) / f for s, f in zip(region, spec.working_factor, strict=True)]
    )
    affordable = 8 if cells < 4e6 else 4 if cells < 1.6e7 else 2 if cells < 6.4e7 else 1
    return min(spec.mirrors, affordable)


def spacing_warning(spec: ModelSpec, volume: Volume) -> str:
    """Say so if the voxel size differs from what the model was trained on."""
    if not (spec.spacing_known and volume.spacing_known):
        return ""
    ratio = [a / b for a, b in zip(volume.spacing, spec.spacing, strict=True)]
    if all(0.67 < r < 1.5 for r in ratio):
        return ""
    here = " x ".join(f"{s:g}" for s in volume.spacing)
    there = " x ".join(f"{s:g}" for s in spec.spacing)
    return f"voxel size {here} nm differs from the {there} nm that the model was trained on"


def _nearest(blocks: list[Block], view: Region | None) -> int:
    if view is None:
        return 0
    centre = [(s.start + s.stop) / 2 for s in view]

    def distance(block: Block) -> float:
        gaps = [max(w.start - c, c - w.stop, 0.0) for w, c in zip(block.write, centre, strict=True)]
        return float(np.square(gaps).sum())

    return min(range(len(blocks)), key=lambda i: distance(blocks[i]))


def _write(
    probabilities: npt.NDArray[np.float32], block: Block, spec: ModelSpec, outputs: Outputs
) -> None:
    values = np.asarray(spec.classes.values, label_dtype(max(spec.classes.values)))
    outputs.labels.write(block.write, values[probabilities.argmax(0)])
    if outputs.probabilities is not None:
        outputs.probabilities.write(block.write, np.rint(probabilities * 255).astype(np.uint8))
    if outputs.uncertainty is not None:
        outputs.uncertainty.write(block.write, _uncertainty(probabilities))
    for sink in outputs.sinks:
        sink.done(block.index)


def _uncertainty(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    p = probabilities.clip(1e-7, 1)
    entropy = -(p * np.log(p)).sum(0) / np.log(len(p))
    scaled: npt.NDArray[np.uint8] = np.rint(entropy.clip(0, 1) * 255).astype(np.uint8)
    return scaled
