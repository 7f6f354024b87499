"""What the user sees while training goes on: what is on screen, predicted first.

A quick forest answers until the network is better. What is on screen is worked off
piece by piece between two steps: coarse first where all of it would take long, then
fine; an answer for a place that the user has left is dropped half way.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region
from napari_densify.core.control import JobControl
from napari_densify.core.events import Event, LayerUpdated, Notice
from napari_densify.core.labels import label_dtype
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import Intensity
from napari_densify.core.volume import Volume
from napari_densify.inference.predictor import Predictor, Prepared
from napari_densify.io import Sink, create_sink
from napari_densify.training.crops import Crop
from napari_densify.training.gauge import score_paint
from napari_densify.training.paint import TrainingSource
from napari_densify.training.pieces import Piece, plan_pieces
from napari_densify.training.quick import QuickForest
from napari_densify.training.state import TrainingState

__all__ = ["LivePreview"]

# Share of the time that repeated previews of the same place may take from training;
# a place that the user has just moved to is answered at once.
_SHARE = 0.2
# No piece of work between two steps takes longer, as far as it can be foreseen.
_TURN_S = 0.5
# Steps after which new strokes are taken to show their effect.
_STEPS_TO_SHOW = 4
# Steps after which the network is first compared with the forest, and how much later again.
_FIRST_TRIAL, _NEXT_TRIAL = 10, 1.6
# Dice by which the network may fall short of the forest and is shown all the same.
_AS_GOOD = 0.02
# Prepared pieces kept for the next time: those of about one slice of 2048 x 2048.
_KEPT_VOXELS = 1 << 22


class LivePreview:
    """Keeps a prediction of what is on screen up to date.

    Parameters
    ----------
    source
        Volume that the user looks at, with its paint.
    intensity
        Its measured intensities.
    path
        Zarr array that the preview is written to.
    held_out
        Slices whose paint decides between forest and network.
    """

    def __init__(
        self, source: TrainingSource, intensity: Intensity, path: Path, held_out: Sequence[int] = ()
    ) -> None:
        painted = source.annotations.slice_counts()
        self._source, self._volume, self._intensity = source, source.volume, intensity
        self._path = path
        self._held_out = tuple(z for z in held_out if z in painted)
        self._sink: Sink | None = None
        self._forest: QuickForest | None = None
        self._trusted = False  # whether the network has been better than the forest
        self._trial = float(_FIRST_TRIAL)
        self._pieces: deque[Piece] = deque()
        self._generation: int | None = None
        self._shown_strokes = self._strokes = 0
        self._strokes_step = 0
        self._finished, self._cost = 0.0, 0.0
        self._second_a_voxel = 1e-6
        self._kept: dict[str, Prepared] = {}

    def learn(self, crops: Sequence[Crop], spec: ModelSpec, step: int, *, fresh: bool) -> None:
        """Take note of paint: at the start, and when strokes were added (``fresh``)."""
        self._strokes += fresh
        self._strokes_step = step
        if self._trusted or any(c.features is None for c in crops):
            return
        self._forest = QuickForest(crops, len(spec.classes), spec.working_factor)

    def first(self, spec: ModelSpec, predictor: Predictor, control: JobControl) -> Iterator[Event]:
        """Answer with the forest, before the network has done a step."""
        if self._forest is not None and control.view is not None:
            self._begin(control, predictor)
            while self._pieces:
                yield from self._turn(predictor, spec, 0)

    def answer(self, state: TrainingState, control: JobControl) -> Iterator[Event]:
        """Work on the preview for a moment, if there is anything to be done."""
        if control.view is None or state.step == 0:
            return
        moved = control.view_generation != self._generation
        on_trial = not self._trusted and state.step >= self._trial
        if not (moved or on_trial or self._pieces or self._due(state.step)):
            return
        predictor = self._predictor(state)
        if on_trial:
            self._judge(predictor, state.step)
            if not (self._trusted or moved or self._pieces):
                return
        if moved or not self._pieces:
            self._begin(control, predictor, coarse=moved)
        yield from self._turn(predictor, state.spec, state.step)

    def _due(self, step: int) -> bool:
        """Whether what is shown can be bettered: by new strokes, or by a while of training."""
        by_forest = self._forest is not None
        if self._shown_strokes < self._strokes:
            return by_forest or step - self._strokes_step >= _STEPS_TO_SHOW
        return not by_forest and time.monotonic() - self._finished > self._cost / _SHARE

    def _begin(self, control: JobControl, predictor: Predictor, *, coarse: bool = True) -> None:
        assert control.view is not None
        region = _clipped(control.view, self._volume)
        self._generation, self._region = control.view_generation, region
        self._began, self._spent = time.monotonic(), 0.0
        self._learned = self._strokes
        halo = predictor.halo
        self._pieces = deque(plan_pieces(region, halo, self._second_a_voxel, coarse=coarse))

    def _turn(self, predictor: Predictor, spec: ModelSpec, step: int) -> Iterator[Event]:
        """Do all coarse pieces, or fine ones for half a second."""
        began = time.monotonic()
        coarse = bool(self._pieces) and self._pieces[0].coarse
        while self._pieces and self._pieces[0].coarse == coarse:
            piece = self._pieces.popleft()
            self._open(spec).write(piece.fill, _filled(self._labels(predictor, piece), piece))
            if not coarse and time.monotonic() - began > _TURN_S:
                break
        for message in predictor.take_notices():
            yield Notice(level="warning", message=message)
        self._spent += time.monotonic() - began
        if not self._pieces:
            self._finished, self._cost = time.monotonic(), self._spent
            self._shown_strokes = self._learned
        if coarse or not self._pieces:
            yield self._event(step, final=not self._pieces)

    def _labels(self, predictor: Predictor, piece: Piece) -> npt.NDArray[Any]:
        began = time.monotonic()
        values = np.asarray(predictor.spec.classes.values)
        prepared = self._prepared(predictor, piece.region)
        if self._forest is not None:
            indices = self._forest.predict(prepared)
        else:
            indices = predictor.compute(prepared).argmax(0)
        self._second_a_voxel = (time.monotonic() - began) / piece.read_voxels(predictor.halo)
        labels: npt.NDArray[Any] = values[indices].astype(label_dtype(int(values.max())))
        return labels

    def _prepared(self, predictor: Predictor, region: Region) -> Prepared:
        """Read and encode a piece, or take it from the last time: it doesn't change."""
        found = self._kept.get(str(region))
        if found is None:
            found = predictor.prepare(region)
            if found.voxels.numel():
                held = sum(p.voxels.numel() for p in self._kept.values())
                if held + found.voxels.numel() > _KEPT_VOXELS:
                    self._kept.clear()
                self._kept[str(region)] = found
        return found

    def _judge(self, predictor: Predictor, step: int) -> None:
        """Show the network from now on if it is at least as good as the forest."""
        self._trial = step * _NEXT_TRIAL
        forest = self._forest
        if forest is None:
            self._trusted = True
            return
        if self._held_out:
            mine = score_paint(predictor, self._source.annotations, self._held_out).mean_dice
            theirs = score_paint(
                _ForestPredictor(forest, predictor), self._source.annotations, self._held_out
            ).mean_dice
        else:
            painted = sorted(self._source.annotations.slice_counts())
            some = painted[:: max(1, len(painted) // 2)][:2]
            mine = score_paint(predictor, self._source.annotations, some).mean_dice
            theirs = forest.dice
        # The network is what will be saved; NaN: nothing speaks for the forest.
        self._trusted = not mine < theirs - _AS_GOOD
        if self._trusted:
            self._forest = None

    def _event(self, step: int, *, final: bool) -> LayerUpdated:
        by_forest = self._forest is not None
        who = "random forest, until the network is better" if by_forest else f"step {step}"
        assert self._generation is not None
        return LayerUpdated(
            path=str(self._path),
            name="Live preview",
            role="preview",
            region=_bounds(self._region),
            generation=self._generation,
            strokes=self._learned,
            final=final,
            message=f"Live preview, {who}{'' if final else ' (coarse)'}",
        )

    def _predictor(self, state: TrainingState) -> Predictor:
        return Predictor(
            state.averaged_network(),
            state.spec,
            self._volume,
            device=state.device,
            precision=state.plan.precision,
            intensity=self._intensity,
        )

    def _open(self, spec: ModelSpec) -> Sink:
        if self._sink is None:
            self._sink = create_sink(
                self._path,
                shape=self._volume.shape,
                dtype=label_dtype(max(spec.classes.values)),
                spacing=self._volume.spacing,
                spacing_known=self._volume.spacing_known,
                classes=spec.classes,
                chunks=(1, 512, 512),
            )
        return self._sink


class _ForestPredictor:
    """A forest behind the face of a predictor, to be scored by the same rule."""

    def __init__(self, forest: QuickForest, predictor: Predictor) -> None:
        self._forest, self._predictor = forest, predictor

    @property
    def spec(self) -> ModelSpec:
        """That of the network that it stands in for."""
        return self._predictor.spec

    def predict_region(self, region: Region) -> npt.NDArray[np.float32]:
        """One-hot answers ``(K, Z, Y, X)``."""
        indices = self._forest.predict(self._predictor.prepare(region))
        shares: npt.NDArray[np.float32] = np.eye(self._forest.classes, dtype=np.float32)[indices]
        return shares.transpose(3, 0, 1, 2)


def _filled(labels: npt.NDArray[Any], piece: Piece) -> npt.NDArray[Any]:
    """Repeat a coarse piece's labels until they fill its place."""
    for axis, (side, wanted) in enumerate(zip(piece.region, piece.fill, strict=True)):
        times = -(-(wanted.stop - wanted.start) // (side.stop - side.start))
        if times > 1:
            labels = labels.repeat(times, axis)
    shape = tuple(slice(0, s.stop - s.start) for s in piece.fill)
    return labels[shape]


def _clipped(region: Region, volume: Volume) -> Region:
    z, y, x = (
        slice(max(0, s.start), min(n, s.stop)) for s, n in zip(region, volume.shape, strict=True)
    )
    return z, y, x


def _bounds(region: Region) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    z, y, x = ((s.start, s.stop) for s in region)
    return z, y, x
