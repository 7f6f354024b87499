"""What the user sees while training goes on: what is on screen, predicted first.

A quick forest answers until the network is better. What is on screen is worked off
piece by piece between two steps: coarse first where all of it would take long, then
fine; an answer for a place that the user has left is dropped half way.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region, bounds_of
from napari_densify.core.control import JobControl
from napari_densify.core.events import Event, LayerUpdated, Notice
from napari_densify.core.files import remove_tree
from napari_densify.core.labels import label_dtype
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import Intensity
from napari_densify.core.volume import Volume
from napari_densify.inference.predictor import Predictor, Prepared
from napari_densify.io import Sink, create_sink
from napari_densify.training.answering import Answerer
from napari_densify.training.crops import Crop
from napari_densify.training.paint import TrainingSource
from napari_densify.training.pieces import Piece, plan_pieces
from napari_densify.training.state import TrainingState

__all__ = ["LivePreview"]

# Share of the time that repeated previews of the same place may take from training, and
# that the other two planes through it may take the first time;
# a place that the user has just moved to is answered at once.
_SHARE, _BESIDE = 0.2, 0.4
# No piece of work between two steps takes longer, as far as it can be foreseen.
_TURN_S = 0.5
# What is new on screen may keep the training waiting for so long.
_AT_ONCE_S = 4.0
# Steps after which new strokes are taken to show their effect.
_STEPS_TO_SHOW = 4
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
        self._volume, self._intensity = source.volume, intensity
        self._path = path
        self._answering = Answerer(source.annotations, [z for z in held_out if z in painted])
        self._sink: Sink | None = None
        self._pieces: deque[Piece] = deque()
        self._beside: deque[Region] = deque()  # other planes through what is on screen
        self._on_screen = False  # whether the pieces are those of what is on screen
        self._generation: int | None = None
        self._shown_strokes = self._strokes = 0
        self._strokes_step = 0
        self._finished, self._cost = 0.0, 0.0
        self._second_a_voxel = 1e-6
        self._kept: dict[str, Prepared] = {}
        self._known: tuple[int, Predictor] | None = None  # of the last step with an answer
        self._built_s = 0.0  # what that one took

    def learn(self, crops: Sequence[Crop], spec: ModelSpec, step: int, *, fresh: bool) -> None:
        """Take note of paint: at the start, and when strokes were added (``fresh``)."""
        self._strokes += fresh
        self._strokes_step = step
        self._answering.learn(crops, spec)

    def first(self, spec: ModelSpec, predictor: Predictor, control: JobControl) -> Iterator[Event]:
        """Answer with the forest, before the network has done a step."""
        if self._answering.ready and control.view is not None:
            self._look(control, predictor)
            while self._pieces:
                yield from self._turn(predictor, spec, 0)

    def waiting(self, control: JobControl) -> bool:
        """Whether the user looks at what has no answer yet."""
        return control.view is not None and control.view_generation != self._generation

    def answer(self, state: TrainingState, control: JobControl) -> Iterator[Event]:
        """Work on the preview for a moment, if there is anything to be done.

        A place that is new on screen is answered without a step in between, for some seconds.
        """
        if control.view is None or state.step == 0:
            return
        moved = self.waiting(control)
        if not moved and not self._pieces and self._answering.on_trial(state.step):
            if not self._answering.judge(self._predictor(state), state.step):
                return
            self._begin(self._region_on_screen, self._predictor(state), coarse=False)
        elif not (moved or self._pieces or self._choose(state)):
            return
        predictor = self._predictor(state, latest=moved and self._answering.who != "forest")
        if moved:
            self._look(control, predictor)
        end = time.monotonic() + (_AT_ONCE_S if moved else 0.0)
        yield from self._turn(predictor, state.spec, state.step)
        while self._pieces and time.monotonic() < end and not self.waiting(control):
            yield from self._turn(predictor, state.spec, state.step)

    def _choose(self, state: TrainingState) -> bool:
        """Begin what should be predicted again, or beside what is on screen; if anything."""
        again = self._answering.joins(state.step) or self._due(state.step)
        idle = time.monotonic() - self._finished > self._cost / _BESIDE
        if not (again or (self._beside and idle)):
            return False
        predictor = self._predictor(state, latest=self._answering.who != "forest")
        if again:
            self._begin(self._region_on_screen, predictor, coarse=False)
        else:
            self._begin(self._beside.popleft(), predictor, beside=True)
        return bool(self._pieces)

    def _due(self, step: int) -> bool:
        """Whether what is shown can be bettered: by new strokes, or by a while of training."""
        by_forest = self._answering.who == "forest"
        if self._shown_strokes < self._strokes:
            return self._answering.ready or step - self._strokes_step >= _STEPS_TO_SHOW
        return not by_forest and time.monotonic() - self._finished > self._cost / _SHARE

    def _look(self, control: JobControl, predictor: Predictor) -> None:
        """Take over what is on screen now."""
        assert control.view is not None
        self._generation = control.view_generation
        self._region_on_screen = _clipped(control.view, self._volume)
        self._beside = deque(_clipped(r, self._volume) for r in control.beside)
        self._begin(self._region_on_screen, predictor)

    def _begin(
        self, region: Region, predictor: Predictor, *, coarse: bool = True, beside: bool = False
    ) -> None:
        """Cut a region into pieces; of what is beside the screen, only the coarse ones."""
        self._region, self._on_screen = region, not beside
        self._spent, self._learned = 0.0, self._strokes
        pieces = list(plan_pieces(region, predictor.halo, self._second_a_voxel, coarse=coarse))
        rough = [p for p in pieces if p.coarse] if beside else []
        self._pieces = deque(rough or pieces)

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
            self._finished, self._cost = time.monotonic(), self._spent + self._built_s
            if self._on_screen:
                self._shown_strokes = self._learned
        yield self._event(step, final=not self._pieces)

    def _labels(self, predictor: Predictor, piece: Piece) -> npt.NDArray[Any]:
        began = time.monotonic()
        values = np.asarray(predictor.spec.classes.values)
        prepared = self._prepared(predictor, piece.region)
        indices = self._answering.indices(predictor, prepared)
        self._second_a_voxel = (time.monotonic() - began) / piece.read_voxels(predictor.halo)
        labels: npt.NDArray[Any] = values[indices].astype(label_dtype(int(values.max())))
        return labels

    def _prepared(self, predictor: Predictor, region: Region) -> Prepared:
        """Read and encode a piece, or take it from the last time: it doesn't change."""
        found = self._kept.get(str(region))
        if found is None:
            found = predictor.prepare(region, always=self._answering.ready)
            if found.voxels.numel():
                held = sum(p.voxels.numel() for p in self._kept.values())
                if held + found.voxels.numel() > _KEPT_VOXELS:
                    self._kept.clear()
                self._kept[str(region)] = found
        return found

    def _event(self, step: int, *, final: bool) -> LayerUpdated:
        assert self._generation is not None
        return LayerUpdated(
            path=str(self._path),
            name="Live preview",
            role="preview",
            region=bounds_of(self._region),
            generation=self._generation,
            strokes=self._learned,
            final=final,
            message=f"Live preview, {self._answering.words(step)}{'' if final else ' (coarse)'}",
        )

    def _predictor(self, state: TrainingState, *, latest: bool = True) -> Predictor:
        """Network as it is now, or as it was when the pieces at hand were begun."""
        if self._known is None or (latest and self._known[0] != state.step):
            began = time.monotonic()
            predictor = Predictor(
                state.averaged_network(),
                state.spec,
                self._volume,
                device=state.device,
                precision=state.plan.precision,
                intensity=self._intensity,
            )
            self._known, self._built_s = (state.step, predictor), time.monotonic() - began
        return self._known[1]

    def _open(self, spec: ModelSpec) -> Sink:
        if self._sink is None:
            # Nobody will want it back, so nothing is set aside.
            with suppress(OSError):
                for old in (self._path, *self._path.parent.glob(f".{self._path.name}.*")):
                    remove_tree(old)
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
