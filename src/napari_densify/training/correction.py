"""A network that learned from strokes answers as if classes were as frequent as they are.

Its logits are shifted by the mean of two: by what lies between the frequencies that it learned
from, of paint and of what guides between, and those told from the strokes (Saerens, Latinne &
Decaestecker 2002, Neural Computation 14:21; by half of that, or less, where it has learned so
little that all of it would make it name the classes less as often as they are); and by what
makes it name them as often on painted slices. The first trusts what it has learned, the second
what it answers, and they err in different places.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.core.blocks import Region
from napari_densify.core.normalisation import Intensity
from napari_densify.core.settings import Triple
from napari_densify.inference.predictor import Predictor
from napari_densify.training.crops import Crop
from napari_densify.training.frequencies import RAREST, Row
from napari_densify.training.paint import TrainingSource
from napari_densify.training.sampler import PatchSampler
from napari_densify.training.samples import painted_slices
from napari_densify.training.state import TrainingState

__all__ = [
    "FrequencyCorrection",
    "fitting_share",
    "learned_frequencies",
    "matching_shift",
    "windows",
]

_DRAWS = 8
# Windows of painted slices that a network's answers are taken from, and their size.
_PLANES, _PLANE = 12, (1, 192, 192)
_BOXES, _BOX = 6, (8, 96, 96)
# Steps before the first correction, which also tells how long one takes.
_FIRST = 40
# Least probability that is believed; voxels that are asked; how far the search for a shift goes.
_LEAST, _ASKED = 1e-6, 60_000
_PACES = (0.5,) * 40 + (0.15,) * 20
# Shares of the shift, and how much nearer (mean logarithm) less of it has to be.
_SHARES, _WORTH = (1.0, 0.5, 0.25, 0.125), 0.1


def learned_frequencies(
    sampler: PatchSampler, batch: int, weights: torch.Tensor, guidance: float
) -> Row:
    """Frequencies of the classes as the loss sees them: of paint, and of what guides beside it.

    Parameters
    ----------
    sampler
        Draws what is trained on.
    batch
        Patches of a step.
    weights
        Of the classes ``(K,)`` in the loss.
    guidance
        Weight of the guide, where there is one.

    Returns
    -------
    ``(K,)``, sums to 1.
    """
    classes = len(weights)
    paint, guide = torch.zeros(classes), torch.zeros(classes)
    for _ in range(_DRAWS):
        drawn = sampler.draw(batch)
        paint += torch.bincount(drawn.labels[drawn.labels >= 0], minlength=classes)
        if drawn.teacher is not None:
            guide += drawn.teacher.float().sum((0, 2, 3, 4))
    seen = paint * weights.cpu()
    seen /= seen.sum().clamp(min=1e-12)
    if guide.any():
        seen = (seen + guidance * guide / guide.sum()) / (1 + guidance)
    found: Row = seen.double().numpy()
    return found


def fitting_share(answers: npt.NDArray[np.floating], shift: Row, found: Row) -> float:
    """Tell how much of a shift makes a network name the classes as often as they are.

    Parameters
    ----------
    answers
        Its probabilities ``(K, N)`` of voxels.
    shift
        ``(K,)``, to be added to its logits.
    found
        Frequencies ``(K,)`` of the classes.
    """
    logits = np.log(np.maximum(answers, _LEAST))

    def distance(share: float) -> float:
        off = _missing(logits, share * shift, found)
        return float(np.abs(off).mean()) + _WORTH * (1 - share)

    return min(_SHARES, key=distance)


def matching_shift(answers: npt.NDArray[np.floating], found: Row) -> Row:
    """Find what has to be added to logits for classes to be named as often as they are.

    Parameters
    ----------
    answers
        Probabilities ``(K, N)`` of voxels.
    found
        Frequencies ``(K,)`` of the classes.

    Returns
    -------
    ``(K,)``, sums to 0.
    """
    logits = np.log(np.maximum(answers, _LEAST))
    shift: Row = np.zeros(len(found))
    for pace in _PACES:
        shift += pace * _missing(logits, shift, found)
    centred: Row = shift - shift.mean()
    return centred


def _missing(logits: npt.NDArray[np.floating], shift: Row, found: Row) -> Row:
    """Logarithms ``(K,)`` of how much more often each class should be named."""
    names = (logits + shift[:, None]).argmax(0)
    named = np.bincount(names, minlength=len(found)) / len(names)
    missing: Row = np.log((found + RAREST) / (named + RAREST))
    return missing


def windows(
    crops: Sequence[Crop], sources: int, *, planar: bool, seed: int
) -> list[tuple[int, Region]]:
    """Places on painted slices, spread over them, each with the number of its volume.

    Parameters
    ----------
    crops
        What was read around paint.
    sources
        Number of volumes; crops of others, which are turned ones, are left out.
    planar
        Whether planes or boxes are wanted.
    seed
        Of the places on a slice.
    """
    count, size = (_PLANES, _PLANE) if planar else (_BOXES, _BOX)
    random = np.random.default_rng(seed)
    slices = [(c, z) for c in crops if c.source < sources for z in painted_slices(c)]
    picked = (slices[number * len(slices) // count] for number in range(count if slices else 0))
    return [(crop.source, _window(crop, z, size, random)) for crop, z in picked]


def _window(crop: Crop, middle: int, size: Triple, random: np.random.Generator) -> Region:
    """Box of a size, or what fits, in the inner part of a crop, around one of its slices."""
    (low, high), *plane = (
        (start + before, start + length - after)
        for start, length, (before, after) in zip(
            crop.origin, crop.labels.shape, crop.border, strict=True
        )
    )
    depth, *edges = size
    z = max(low, min(crop.origin[0] + middle - depth // 2, high - depth))
    y, x = (
        int(random.integers(first, max(first, last - edge) + 1))
        for (first, last), edge in zip(plane, edges, strict=True)
    )
    (_, bottom), (_, right) = plane
    return (
        slice(z, min(z + depth, high)),
        slice(y, min(y + edges[0], bottom)),
        slice(x, min(x + edges[1], right)),
    )


class FrequencyCorrection:
    """Corrects what a training answers: early, at its end, and between if somebody looks.

    Parameters
    ----------
    sources, intensities
        Volumes that are trained on, and their measured intensities.
    shown
        Whether answers are shown or scored before the end.
    """

    def __init__(
        self, sources: Sequence[TrainingSource], intensities: Sequence[Intensity], *, shown: bool
    ) -> None:
        self._sources, self._intensities, self._shown = sources, intensities, shown
        self._found: Row | None = None
        self._shift: Row = np.zeros(0)
        self._crops: Sequence[Crop] = ()
        self._next = float(_FIRST)
        self.seconds = 0.0  # that the last one took

    def refer(self, sampler: PatchSampler | None, found: Row | None, state: TrainingState) -> None:
        """Take note of what is learned from, from now on, and of the frequencies that are."""
        self._found, self._crops = None, ()
        if sampler is not None and found is not None:
            plan = state.plan
            learned = learned_frequencies(sampler, plan.batch, state.weights, plan.guidance)
            if (learned > 0).all():
                self._found, self._crops = found, sampler.crops
                self._shift = np.log(found / learned)
        told = () if self._found is None else tuple(float(share) for share in self._found)
        state.spec = state.spec.model_copy(update={"frequencies": told})
        if self._found is None:
            self._put((), state)

    def due(self, step: int) -> bool:
        """Whether it is time, if it isn't the end."""
        return self._found is not None and step >= self._next

    def correct(self, state: TrainingState, *, last: bool = False) -> None:
        """Put into the model's description what its logits are to be corrected by."""
        if self._found is None:
            return
        began = time.monotonic()
        answers = self._answers(state, quick=not last)
        shift = self._shift
        if answers.size:
            # Beside a forest the network has only a part of the say.
            weight = 1.0 if state.forest is None else 1 - state.spec.forest
            share = fitting_share(answers, weight * shift, self._found)
            shift = (share * shift + matching_shift(answers, self._found) / weight) / 2
        self._put(tuple(float(v) for v in shift), state)
        self._next = 2 * state.step if self._shown else math.inf
        self.seconds = time.monotonic() - began

    @staticmethod
    def _put(shift: tuple[float, ...], state: TrainingState) -> None:
        state.spec = state.spec.model_copy(update={"class_shift": shift})

    def _answers(self, state: TrainingState, *, quick: bool) -> npt.NDArray[np.float32]:
        """Probabilities ``(K, N)`` on painted slices, not corrected."""
        spec = state.spec.model_copy(update={"class_shift": ()})
        network = state.averaged_network(quick=quick)
        places = windows(self._crops, len(self._sources), planar=spec.planar, seed=state.plan.seed)
        found = [np.zeros((len(self._shift), 0), np.float32)]
        for number in sorted({source for source, _ in places}):
            predictor = Predictor(
                network, spec, self._sources[number].volume, device=state.device,
                precision=state.plan.precision, intensity=self._intensities[number],
                forest=state.forest,
            )  # fmt: skip
            own = (region for source, region in places if source == number)
            found += [predictor.predict_region(r).reshape(len(self._shift), -1) for r in own]
        answers = np.concatenate(found, 1)
        return answers[:, :: max(1, answers.shape[1] // _ASKED)]
