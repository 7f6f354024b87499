"""How well a network does on paint that it never saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_densify.annotations import Annotations
from napari_densify.core.blocks import Region, block_grid
from napari_densify.core.events import HeldOutScore
from napari_densify.core.labels import to_class_indices
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import Intensity
from napari_densify.evaluation import Confusion, CrossEntropy
from napari_densify.evaluation.confusion import Rates
from napari_densify.evaluation.expectation import Expectation
from napari_densify.evaluation.held_out import TILE, dice_interval, reweigh
from napari_densify.inference.predictor import Predictor
from napari_densify.training.paint import TrainingSource
from napari_densify.training.state import TrainingState

__all__ = ["HeldOutGauge", "score_paint"]

# Share of the time that scoring may take from training.
_SHARE = 0.15
# Of a training that goes by steps, so many shares are scored: repeatable.
_SCORES = 10


class HeldOutGauge:
    """Scores the averaged network on held-out paint, now and then.

    Parameters
    ----------
    sources
        Volumes with their paint.
    intensities
        Measured intensities of each volume.
    slices
        Held-out Z slices of every volume; those without paint are ignored.
    steps
        Length of the training if it goes by steps: it is then scored at fixed ones.

    Attributes
    ----------
    slices
        Those that are painted in any volume.
    """

    def __init__(
        self,
        sources: Sequence[TrainingSource],
        intensities: Sequence[Intensity],
        slices: Sequence[int],
        steps: int | None = None,
    ) -> None:
        self._sources = list(zip(sources, intensities, strict=True))
        self._wished = tuple(slices)
        self.look()
        self._every = None if steps is None else max(1, steps // _SCORES)
        self._due = 0.0

    def look(self) -> None:
        """Find out which of the held-out slices are painted now."""
        self._held: list[tuple[TrainingSource, Intensity, list[int]]] = []
        for source, intensity in self._sources:
            painted = source.annotations.slice_counts()
            if found := [z for z in self._wished if z in painted]:
                self._held.append((source, intensity, found))
        self.slices = tuple(sorted({z for *_, found in self._held for z in found}))

    def due(self, elapsed_s: float, step: int) -> bool:
        """Whether a score is worth its time now."""
        if self._every is not None:
            return bool(self.slices) and step % self._every == 0
        return bool(self.slices) and elapsed_s >= self._due

    def score(self, state: TrainingState, elapsed_s: float) -> HeldOutScore:
        """Predict the held-out slices and score their paint."""
        began = time.monotonic()
        # Which weights are kept, and when to stop, is decided by paint alone.
        expects = state.plan.keep != "best" and state.plan.early_stop is None
        tally = PaintTally(state.spec, state.spec.classes.values, expects=expects)
        for source, intensity, slices in self._held:
            predictor = Predictor(
                state.averaged_network(), state.spec, source.volume, device=state.device,
                precision=state.plan.precision, intensity=intensity, forest=state.forest,
            )  # fmt: skip
            tally.add(predictor, source.annotations, slices)
        score = tally.score()
        self._due = elapsed_s + (time.monotonic() - began) / _SHARE
        return score.model_copy(update={"step": state.step, "elapsed_s": elapsed_s})


class Answering(Protocol):
    """What can be scored: a predictor, or what answers like one."""

    @property
    def spec(self) -> ModelSpec:
        """Its classes."""

    def predict_region(self, region: Region) -> npt.NDArray[np.float32]:
        """Probabilities ``(K, Z, Y, X)``."""


def score_paint(
    predictor: Answering,
    annotations: Annotations,
    slices: Sequence[int],
    classes: Sequence[int] | None = None,
    *,
    expects: bool = False,
) -> HeldOutScore:
    """Predict some slices where they are painted, and score the paint.

    Strokes are not spread as the classes are, so each class is given the weight that it
    has in what was predicted around them, see :mod:`napari_densify.evaluation.held_out`.

    Parameters
    ----------
    predictor
        Model, bound to the volume.
    annotations
        Paint of the volume.
    slices
        Slices to be scored.
    classes
        Codes that are scored; those that the model knows by default.
    expects
        Mix in what the model expects of unpainted voxels, and believe the class frequencies
        that its training told from strokes: nearer to the truth of the whole volume, see
        :mod:`napari_densify.evaluation.expectation`. Not for comparing models, since one
        that is too sure of itself would look better; not for volumes that it was not trained
        on, nor with ``classes``.
    """
    known = predictor.spec.classes.values
    values = known if classes is None else tuple(classes)
    tally = PaintTally(predictor.spec, values, expects=expects)
    tally.add(predictor, annotations, slices)
    return tally.score()


class PaintTally:
    """Adds up what a model says on the paint of one or more volumes.

    Parameters
    ----------
    spec
        The model; its classes are those of the probabilities.
    values
        Codes that are scored.
    expects
        As in :func:`score_paint`.
    """

    def __init__(self, spec: ModelSpec, values: Sequence[int], *, expects: bool) -> None:
        self._classes, self._values = spec.classes, tuple(values)
        self._tiles: list[tuple[int, list[npt.NDArray[np.int64]]]] = []  # by slice
        self._entropy = CrossEntropy(spec.classes.values)
        self._expectation = Expectation(len(spec.classes)) if expects else None
        self._found = np.zeros(len(values), np.int64)
        told = expects and spec.frequencies
        self._frequencies = np.array(spec.frequencies) if told else None

    def add(self, predictor: Answering, annotations: Annotations, slices: Sequence[int]) -> None:
        """Predict some slices of a volume where they are painted."""
        codes = np.asarray(self._classes.values)
        boxes = annotations.painted_boxes()
        for z in slices:
            tiles: list[npt.NDArray[np.int64]] = []
            for box in _on_slice(boxes, z):
                probabilities, truth = predictor.predict_region(box), annotations.read(box)
                labels = codes[probabilities.argmax(0)]
                tiles += _tile_counts(labels, truth, self._values)
                self._found += [int((labels == v).sum()) for v in self._values]
                self._entropy.add(probabilities, truth)
                if self._expectation:
                    indices = to_class_indices(truth, self._classes)
                    self._expectation.add(probabilities, indices)
            self._tiles.append((z, tiles))

    def score(self) -> HeldOutScore:
        """Score everything so far."""
        rows = [tiles for _, tiles in self._tiles]
        none = np.zeros((len(self._values), len(self._values) + 1), np.int64)
        counts = sum((t for row in rows for t in row), none)
        weighted = reweigh(counts, self._found, self._frequencies)
        if self._expectation:
            weighted = self._expectation.blended(weighted, int(counts.sum()))
        rates = Rates(weighted)
        return HeldOutScore(
            step=0,
            elapsed_s=0,
            **{name: self._named(rates, name) for name in ("dice", "iou", "precision", "recall")},
            bce=self._entropy.by_class,
            mean_dice=rates.mean_dice,
            interval=dice_interval(rows, rates.mean_dice),
            voxels=int(counts.sum()),
            slices=tuple(sorted({z for z, _ in self._tiles})),
        )

    def _named(self, rates: Rates, name: str) -> dict[int, float]:
        row = zip(self._values, getattr(rates, name), strict=True)
        return {value: float(rate) for value, rate in row if np.isfinite(rate)}


def _tile_counts(
    labels: npt.NDArray[np.integer], truth: npt.NDArray[np.integer], values: Sequence[int]
) -> list[npt.NDArray[np.int64]]:
    """Confusion of each tile of a slice that holds paint."""
    rows = []
    for block in block_grid((1, *truth.shape[1:]), (1, TILE, TILE)):
        confusion = Confusion(values)
        confusion.add(0, labels[block.write], truth[block.write])
        rows += list(confusion.slices.values())
    return rows


def _on_slice(boxes: Sequence[Region], z: int) -> list[Region]:
    """Parts of boxes that lie on a slice."""
    return [(slice(z, z + 1), b[1], b[2]) for b in boxes if b[0].start <= z < b[0].stop]
