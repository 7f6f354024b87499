"""Prediction of a whole volume, block by block, in bounded memory.

Reading and encoding the next tile, the network, and converting and writing the last
block go on at the same time, each in a thread of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.core.blocks import Block, Region, full_region, parse_region
from napari_densify.core.control import JobControl
from napari_densify.core.events import Event, Notice, Progress
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import PredictSettings, Triple
from napari_densify.core.volume import Volume
from napari_densify.inference.allocator import keep_freed_memory
from napari_densify.inference.device import select_device
from napari_densify.inference.forest import Forest
from napari_densify.inference.memory import recall
from napari_densify.inference.order import BlockQueue, Grid
from napari_densify.inference.predictor import Predictor, Prepared
from napari_densify.inference.stages import Stopwatch
from napari_densify.inference.tiling import block_size
from napari_densify.inference.triplanar import TriplanarPredictor, suits_triplanar
from napari_densify.inference.writing import Outputs, Pieces

__all__ = ["Outputs", "make_predictor", "predict_volume", "resolve_mirrors", "write_block"]


def predict_volume(
    network: torch.nn.Module,
    spec: ModelSpec,
    volume: Volume,
    outputs: Outputs,
    settings: PredictSettings | None = None,
    *,
    extra: Mapping[str, torch.Tensor] | None = None,
    control: JobControl | None = None,
    watch: Stopwatch | None = None,
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
    watch
        Counts the seconds of each stage.

    Yields
    ------
    ``Progress`` after each block; stopped early if the control says so.
    """
    settings, control = settings or PredictSettings(), control or JobControl()
    predictor = make_predictor(network, spec, volume, settings, extra=extra)
    predictor.watch = watch or predictor.watch
    region = parse_region(settings.region, volume.shape) if settings.region else None
    grid = Grid(volume.shape, write_block(settings, volume, spec), region)
    done = {b.index for b in grid if outputs.is_done(b.index)} if settings.resume else set()
    left, total, started = len(grid) - len(done), len(grid), time.monotonic()
    pipeline = _Pipeline(predictor, BlockQueue(grid, done), outputs, control)
    for finished, _ in enumerate(pipeline.run(), start=1):
        for message in predictor.take_notices():
            yield Notice(level="warning", message=message)
        eta = (time.monotonic() - started) / finished * (left - finished)
        yield Progress(
            done=len(done) + finished, total=total, unit="blocks", eta_s=eta, message="predicting"
        )


def make_predictor(
    network: torch.nn.Module,
    spec: ModelSpec,
    volume: Volume,
    settings: PredictSettings,
    *,
    extra: Mapping[str, torch.Tensor] | None = None,
) -> Predictor | TriplanarPredictor:
    """Bind a network to a volume as the settings wish."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    keep_freed_memory()
    region = _region(settings, volume)
    mirrors = settings.mirrors or resolve_mirrors(spec, region)
    device, tensors = select_device(settings.device), extra or {}
    bind = partial(
        Predictor, network, spec, device=device, precision=settings.precision, mirrors=mirrors,
        forest=Forest.from_tensors(tensors), threads=settings.threads,
    )  # fmt: skip
    memory = recall(tensors, spec, volume)
    if suits_triplanar(spec, volume, region) and settings.block is None:
        bind.keywords["mirrors"] = max(1, mirrors // 2)
        return TriplanarPredictor(lambda v, e: bind(v, extent=e), volume, region, memory)
    return bind(volume, memory=memory)


def _region(settings: PredictSettings, volume: Volume) -> Region:
    return (
        parse_region(settings.region, volume.shape)
        if settings.region
        else full_region(volume.shape)
    )


def write_block(settings: PredictSettings, volume: Volume, spec: ModelSpec) -> Triple:
    """Voxels written at once; whole, where it is predicted along all axes."""
    if settings.block is not None:
        return settings.block
    whole = suits_triplanar(spec, volume, _region(settings, volume))
    return volume.shape if whole else block_size(volume.shape, spec)


_Waiting = tuple[Block, list[Region], Future[Prepared]]
"""A block, its tiles, and the first of them, being prepared."""


class _Pipeline:
    """Three threads: one prepares the next tile, this one computes, one writes."""

    def __init__(
        self,
        predictor: Predictor | TriplanarPredictor,
        queue: BlockQueue,
        outputs: Outputs,
        control: JobControl,
    ) -> None:
        self._predictor, self._queue = predictor, queue
        self._outputs, self._control = outputs, control

    def run(self) -> Iterator[Block]:
        """Yield each block once it is written."""
        with ThreadPoolExecutor(1, "prepare") as prepare, ThreadPoolExecutor(1, "write") as write:
            self._prepare, self._write = prepare, write
            yield from self._blocks()

    def _blocks(self) -> Iterator[Block]:
        writing: Future[Block] | None = None
        waiting = self._next()
        while waiting is not None and not self._control.stop:
            block, tiles, prepared = waiting
            pieces = Pieces.empty(block, self._predictor.spec, outputs=self._outputs)
            waiting, added = self._compute(pieces, tiles, prepared)
            if writing is not None:
                yield writing.result()
            writing = self._write.submit(self._finish, pieces, added)
            if waiting is None or self._control.view is not None:  # to be seen at once
                yield writing.result()
                writing = None
        if writing is not None:
            yield writing.result()

    def _next(self) -> _Waiting | None:
        """Take the next block and begin to prepare its first tile."""
        block = self._queue.take(self._control.view)
        if block is None:
            return None
        tiles = self._predictor.tiles(block.write)
        return block, tiles, self._prepare.submit(self._predictor.prepare, tiles[0])

    def _compute(
        self, pieces: Pieces, tiles: list[Region], prepared: Future[Prepared]
    ) -> tuple[_Waiting | None, Future[None] | None]:
        """Compute a block's tiles; return the next block, and the last tile being added."""
        waiting: _Waiting | None = None
        adding: Future[None] | None = None
        for number in range(1, len(tiles) + 1):
            tile = prepared.result()
            if number < len(tiles):
                prepared = self._prepare.submit(self._predictor.prepare, tiles[number])
            else:
                waiting = self._next()
            answer = self._predictor.compute(tile)
            if adding is not None:  # at most one answer waits to be converted
                adding.result()
            adding = self._write.submit(self._add, pieces, tile.region, answer)
        return waiting, adding

    def _add(self, pieces: Pieces, region: Region, answer: npt.NDArray[np.float32]) -> None:
        with self._predictor.watch("blend"):
            pieces.add(region, answer)

    def _finish(self, pieces: Pieces, added: Future[None] | None) -> Block:
        if added is not None:  # in this very thread: it is done, or has failed
            added.result()
        with self._predictor.watch("write"):
            pieces.write(self._outputs)
        return pieces.block


def resolve_mirrors(spec: ModelSpec, region: Region) -> int:
    """Mirrored passes that a region's size leaves time for, by voxels: repeatable."""
    cells = np.prod(
        [(s.stop - s.start) / f for s, f in zip(region, spec.working_factor, strict=True)]
    )
    affordable = 8 if cells < 4e6 else 4 if cells < 1.6e7 else 2 if cells < 6.4e7 else 1
    return min(spec.mirrors, max(1, affordable // spec.network.members))
