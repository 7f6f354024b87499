"""How often classes are, where they were not painted as often as they are.

Whoever paints strokes paints a synapse as gladly as the wide background, and a network that
learned from them expects as many voxels of either. How frequent the classes of a volume are
follows from the network's own answers on it, by expectation maximisation, and corrects them
in turn (Saerens, Latinne & Decaestecker 2002, Neural Computation 14:21). Strokes differ from
other voxels in more than that: small corrections are as often wrong as right, large ones are
right, so each is made smaller by what is doubtful. And a network that was shown a membrane
only where it is thick takes it for rare: no class is made rarer than the forest that guides
between the strokes expects it to be. Whole slices need none: what is painted there is as
frequent as it is.
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
from napari_densify.training.paint import TrainingSource
from napari_densify.training.sampler import PatchSampler
from napari_densify.training.state import TrainingState

__all__ = [
    "FrequencyCorrection",
    "class_shift",
    "estimate_frequencies",
    "expected_frequencies",
    "learned_frequencies",
    "windows",
]

Row = npt.NDArray[np.float64]

_ROUNDS = 100
# Share of the frequencies learned from that stays: a rare class that none of the windows
# meets must not vanish.
_KEPT = 0.05
_DRAWS = 8
# Windows that the answers are taken from, and their size: planes or boxes.
_PLANES, _PLANE = 12, (1, 192, 192)
_BOXES, _BOX = 6, (8, 96, 96)
# Steps of a network before which it knows too little of rare classes to tell how rare they
# are. The first correction also tells how long one takes.
_FIRST = 80
# Natural logarithm of a ratio of frequencies that may come from something else.
_DOUBTFUL = 0.5


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


def expected_frequencies(crops: Sequence[Crop]) -> Row | None:
    """Frequencies ``(K,)`` of the classes on painted slices, as their guide sees them; or None."""
    totals = [
        crop.teacher.sum((1, 2, 3), dtype=torch.float64)
        for crop in crops
        if crop.teacher is not None
    ]
    total = sum(totals, torch.zeros(1, dtype=torch.float64))
    if not total.any():
        return None
    found: Row = (total / total.sum()).numpy()
    return found


def estimate_frequencies(probabilities: npt.NDArray[np.floating], learned: Row) -> Row:
    """Frequencies of the classes by expectation maximisation.

    Parameters
    ----------
    probabilities
        ``(K, N)`` of voxels, from a network that learned with ``learned`` frequencies.
    learned
        ``(K,)``, above 0.

    Returns
    -------
    ``(K,)``, sums to 1; some of ``learned`` stays in it.
    """
    found = learned.copy()
    for _ in range(_ROUNDS):
        corrected = probabilities * (found / learned)[:, None]
        corrected /= np.maximum(corrected.sum(0), 1e-12)
        found = corrected.mean(1)
    mixed: Row = (1 - _KEPT) * found + _KEPT * learned
    return mixed


def class_shift(
    predictors: Sequence[Predictor], learned: Row, *, seed: int, expected: Row | None = None
) -> tuple[float, ...]:
    """Ask networks bound to volumes, and return what is to be added to each class's logit.

    Parameters
    ----------
    predictors
        The same network, bound to the volumes that it was trained on.
    learned
        Frequencies ``(K,)`` that it learned with.
    seed
        Of the places that are looked at.
    expected
        Frequencies ``(K,)`` that the guide expects, if there is one: no class is taken to be
        rarer.

    Returns
    -------
    ``K`` natural logarithms; nothing where no correction is clear.
    """
    if (learned <= 0).any():
        return ()
    answers: list[npt.NDArray[np.float32]] = []
    for number, predictor in enumerate(predictors):
        places = windows(predictor.volume.shape, planar=predictor.spec.planar, seed=seed + number)
        some = places[number :: len(predictors)]
        answers += [predictor.predict_region(w).reshape(len(learned), -1) for w in some]
    if not answers:
        return ()
    found = estimate_frequencies(np.concatenate(answers, 1, dtype=np.float64), learned)
    if expected is not None:
        found = np.maximum(found, expected)
        found /= found.sum()
    ratio = np.log(found / learned)
    clear = np.sign(ratio) * np.maximum(np.abs(ratio) - _DOUBTFUL, 0)
    return tuple(float(v) for v in clear) if clear.any() else ()


def windows(shape: Triple, *, planar: bool, seed: int) -> list[Region]:
    """Places spread over a volume: evenly along Z, at random in the plane."""
    count, size = (_PLANES, _PLANE) if planar else (_BOXES, _BOX)
    random = np.random.default_rng(seed)
    z, y, x = (min(a, b) for a, b in zip(shape, size, strict=True))
    places: list[Region] = []
    for start in np.linspace(0, shape[0] - z, count).round().astype(int).tolist():
        top, left = (int(random.integers(n - m + 1)) for n, m in ((shape[1], y), (shape[2], x)))
        places.append((slice(start, start + z), slice(top, top + y), slice(left, left + x)))
    return places


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
        self._learned: Row | None = None
        self._expected: Row | None = None
        self._next = float(_FIRST)
        self.seconds = 0.0  # that the last one took

    def refer(self, sampler: PatchSampler | None, state: TrainingState) -> None:
        """Take note of what is learned from, from now on; None if that needs no correction."""
        plan = state.plan
        if sampler is None:
            self._learned = None
            state.spec = state.spec.model_copy(update={"class_shift": ()})
            return
        self._learned = learned_frequencies(sampler, plan.batch, state.weights, plan.guidance)
        self._expected = expected_frequencies(sampler.crops)

    def due(self, step: int) -> bool:
        """Whether it is time, if it isn't the end."""
        return self._learned is not None and step >= self._next

    def correct(self, state: TrainingState, *, last: bool = False) -> None:
        """Put into the model's description what its logits are to be corrected by."""
        if self._learned is None or state.step < _FIRST:
            return
        began = time.monotonic()
        spec = state.spec.model_copy(update={"class_shift": ()})
        network = state.averaged_network(quick=not last)
        predictors = [
            Predictor(
                network, spec, source.volume, device=state.device,
                precision=state.plan.precision, intensity=intensity, forest=state.forest,
            )
            for source, intensity in zip(self._sources, self._intensities, strict=True)
        ]  # fmt: skip
        shift = class_shift(
            predictors, self._learned, seed=state.plan.seed, expected=self._expected
        )
        state.spec = spec.model_copy(update={"class_shift": shift})
        self._next = 2 * state.step if self._shown else math.inf
        self.seconds = time.monotonic() - began
