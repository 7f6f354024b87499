"""``suggest``: which slice to paint next, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_densify.annotations.suggestion import (
    Suggestion,
    UncertaintyTally,
    painted_planes,
    suggest_slices,
)
from napari_densify.core.blocks import Block, block_grid
from napari_densify.core.control import JobControl
from napari_densify.core.events import Done, Event, Progress
from napari_densify.core.labels import ClassTable
from napari_densify.core.requests import SuggestRequest
from napari_densify.core.volume import Volume
from napari_densify.engine.sources import open_painted

__all__ = ["run"]

_BLOCK = (16, 128, 128)
# Blocks looked at in a large volume: enough for a ranking of slices.
_MOST_BLOCKS = 96


def run(request: SuggestRequest, control: JobControl) -> Iterator[Event]:
    """Predict the volume, or a sample of a large one, and rank its slices."""
    from napari_densify.inference.device import select_device
    from napari_densify.inference.forest import Forest
    from napari_densify.inference.predictor import Predictor
    from napari_densify.networks import load_model

    model = load_model(request.model)
    source = open_painted(
        request.image, request.annotations, level=request.level, channels=model.spec.channels
    )
    device = select_device()
    forest = Forest.from_tensors(model.extra)
    predictor = Predictor(
        model.network.to(device), model.spec, source.volume, device=device, forest=forest
    )
    classes = model.spec.classes
    tally = UncertaintyTally(source.volume.shape, len(classes))
    blocks = _sample_blocks(source.volume, request.seed)
    start = time.monotonic()
    for done, block in enumerate(blocks):
        if control.stop:
            break
        tally.add(block.write, predictor.predict_region(block.write))
        left = (time.monotonic() - start) / (done + 1) * (len(blocks) - done - 1)
        yield Progress(done=done + 1, total=len(blocks), unit="blocks", eta_s=left)
    found = suggest_slices(
        tally,
        painted_planes(source.annotations),
        values=classes.values,
        spacing=source.volume.spacing,
        count=request.count,
        seed=request.seed,
    )
    result = {"suggestions": [_row(s, classes) for s in found]}
    yield Done(result=result, stopped=control.stop)


def _sample_blocks(volume: Volume, seed: int) -> list[Block]:
    """All blocks of the volume, or a random selection spread over a large one."""
    blocks = list(block_grid(volume.shape, _BLOCK))
    if len(blocks) <= _MOST_BLOCKS:
        return blocks
    picks = np.random.default_rng(seed).choice(len(blocks), _MOST_BLOCKS, replace=False)
    return [blocks[i] for i in sorted(picks)]


def _row(found: Suggestion, classes: ClassTable) -> dict[str, Any]:
    """Write a suggestion as it is printed: the reason in words."""
    value, share = found.classes[0]
    reason = f"most unsure about {classes.name(value)} ({share:.0%})"
    if found.distance is not None:
        reason += f", {found.distance} slices from paint"
    return {
        "axis": found.axis,
        "index": found.index,
        "score": round(found.score, 4),
        "why": reason,
        "classes": {classes.name(v): round(s, 4) for v, s in found.classes},
    }
