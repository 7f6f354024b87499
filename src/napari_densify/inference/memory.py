"""Paint carried along: what painted planes say about the slices between them.

Where painted slices are close and structures go through, interpolating between
them beats any network; where they are far apart it says nothing. How far it can
be trusted is measured on the paint itself, leaving out one painted plane at a
time, so the answer is a probability that can be multiplied with the network's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.classical.interpolation import fade_absent, mix_planes, signed_distances
from napari_densify.core.blocks import Region
from napari_densify.core.fingerprint import checksum
from napari_densify.core.model import ModelSpec
from napari_densify.core.volume import Spacing, Volume

__all__ = ["Belief", "PaintMemory", "Plane", "fit_belief", "recall", "weigh"]

Floats = npt.NDArray[np.float32]

_SAMPLES = 4000
# In nm; little, as a class that nobody painted here may be there all the same.
_NOWHERE = -1.0


@dataclass(frozen=True)
class Plane:
    """One painted Z slice: class indices ``(Y, X)``, -1 where not annotated."""

    z: int
    labels: npt.NDArray[np.int16]


@dataclass(frozen=True)
class Belief:
    """How far interpolated distances can be trusted.

    Attributes
    ----------
    slope
        Sharpness: log odds per unit of in-plane distance over distance from paint.
    doubt
        Share of voxels that are wrong however deep inside they lie.
    weight
        Share of the uncertainty about left-out planes that the others removed, 0 to 1:
        the weight of the interpolation beside the network.
    """

    slope: float
    doubt: float
    weight: float = 1.0


class PaintMemory:
    """Signed distances of every class in the painted slices of one volume.

    Parameters
    ----------
    planes
        Painted slices, ascending.
    classes
        Number of classes.
    spacing
        Voxel size (Z, Y, X) in nm.
    belief
        What :func:`fit_belief` found.
    """

    def __init__(
        self, planes: Sequence[Plane], classes: int, spacing: Spacing, belief: Belief
    ) -> None:
        self.planes, self.classes, self.belief = list(planes), classes, belief
        self._spacing = spacing
        self._numbers = np.array([p.z for p in self.planes])

    @cached_property
    def _fields(self) -> Floats:
        """Signed distances ``(P, K, Y, X)``: seconds, which only a prediction needs to spend."""
        fields = _measure(self.planes, self.classes, self._spacing)
        fade_absent(fields, nowhere=_NOWHERE)
        return fields

    def log_prior(self, region: Region) -> Floats:
        """Weighted log probabilities ``(K, Z, Y, X)`` that the paint gives to a region."""
        z, y, x = region
        rows = [self._slice(n, (y, x)) for n in range(z.start, z.stop)]
        return self.belief.weight * np.stack(rows, 1)

    def _slice(self, z: int, box: tuple[slice, slice]) -> Floats:
        field, distance = mix_planes(self._fields[..., box[0], box[1]], self._numbers, z)
        return log_belief(field, distance * self._spacing[0], self.belief)

    def tensors(self, number: int) -> dict[str, torch.Tensor]:
        """Return what a model file keeps of it, as the memory of training volume ``number``."""
        labels = np.stack([p.labels for p in self.planes]).astype(np.int16)
        return {
            f"memory.{number}.z": torch.from_numpy(self._numbers.astype(np.int64)),
            f"memory.{number}.labels": torch.from_numpy(labels),
            f"memory.{number}.belief": torch.tensor(
                [self.belief.slope, self.belief.doubt, self.belief.weight]
            ),
        }

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, torch.Tensor], number: int, classes: int, spacing: Spacing
    ) -> PaintMemory | None:
        """Rebuild the memory of a training volume; None if the model has none of it."""
        if f"memory.{number}.z" not in tensors:
            return None
        numbers, labels, belief = (
            tensors[f"memory.{number}.{name}"] for name in ("z", "labels", "belief")
        )
        planes = [Plane(int(z), row) for z, row in zip(numbers, labels.numpy(), strict=True)]
        return cls(planes, classes, spacing, Belief(*belief.tolist()))


def recall(
    tensors: Mapping[str, torch.Tensor], spec: ModelSpec, volume: Volume
) -> PaintMemory | None:
    """Return the paint that a model saw in this very volume; None in any other."""
    if not spec.remembers:
        return None
    found = checksum(volume)
    if found not in spec.remembers:
        return None
    number = spec.remembers.index(found)
    return PaintMemory.from_tensors(tensors, number, len(spec.classes), volume.spacing)


def weigh(probabilities: Floats, log_prior: Floats) -> Floats:
    """Multiply two independent opinions ``(K, Z, Y, X)`` and normalise."""
    log: Floats = np.log(probabilities.clip(1e-6)) + log_prior
    log -= log.max(0, keepdims=True)
    np.exp(log, out=log)
    log /= log.sum(0, keepdims=True)
    return log


def log_belief(field: Floats, distance: float, belief: Belief) -> Floats:
    """Turn signed distances ``(K, ...)``, known ``distance`` nm away, into log probabilities."""
    scaled = belief.slope * field / max(distance, 1e-6)
    scaled -= scaled.max(0, keepdims=True)
    share = np.exp(scaled)
    share /= share.sum(0, keepdims=True)
    log: Floats = np.log((1 - belief.doubt) * share + belief.doubt / len(field)).astype(np.float32)
    return log


def fit_belief(planes: Sequence[Plane], classes: int, spacing: Spacing, *, seed: int = 0) -> Belief:
    """Find slope and doubt under which the left-out planes are most likely.

    Each painted plane is predicted from the others; the structures' wandering per
    slice that shows there is taken to hold closer to the paint as well.

    Parameters
    ----------
    planes
        At least two painted slices.
    classes
        Number of classes.
    spacing
        Voxel size (Z, Y, X) in nm.
    seed
        Of the sample of voxels that is looked at.
    """
    cases = list(_left_out(planes, classes, spacing, np.random.default_rng(seed)))
    chance = _chance(cases, classes)
    best, belief = -np.inf, Belief(0.0, 1.0, 0.0)
    for slope in np.geomspace(0.01, 30, 18):
        for doubt in (0.01, 0.03, 0.1, 0.3, 1.0):
            candidate = Belief(float(slope), doubt)
            # The mean over planes, not voxels: a slice is one observation.
            score = float(np.mean([_likelihood(case, candidate) for case in cases]))
            if score > best:
                weight = float(np.clip(1 - score / chance, 0, 1)) if chance < 0 else 0.0
                best, belief = score, Belief(float(slope), doubt, weight)
    return belief


def _chance(cases: Sequence[tuple[Floats, float, npt.NDArray[np.int16]]], classes: int) -> float:
    """Mean log likelihood of knowing only how frequent each class is."""
    counts = np.bincount(np.concatenate([truth for _, _, truth in cases]), minlength=classes)
    share = counts[counts > 0] / counts.sum()
    return float((share * np.log(share)).sum())


def _left_out(
    planes: Sequence[Plane], classes: int, spacing: Spacing, random: np.random.Generator
) -> Iterator[tuple[Floats, float, npt.NDArray[np.int16]]]:
    fields = _measure(planes, classes, spacing)
    numbers = np.array([p.z for p in planes])
    for i, plane in enumerate(planes):
        others = np.arange(len(planes)) != i
        rest = fields[others]
        fade_absent(rest, nowhere=_NOWHERE)
        field, distance = mix_planes(rest, numbers[others], plane.z)
        painted = np.flatnonzero(plane.labels >= 0)
        picked = random.choice(painted, min(len(painted), _SAMPLES), replace=False)
        voxels = field.reshape(classes, -1)[:, picked]
        yield voxels, distance * spacing[0], plane.labels.ravel()[picked]


def _likelihood(case: tuple[Floats, float, npt.NDArray[np.int16]], belief: Belief) -> float:
    field, distance, truth = case
    log = log_belief(field, distance, belief)
    return float(log[truth, np.arange(len(truth))].mean())


def _measure(planes: Sequence[Plane], classes: int, spacing: Spacing) -> Floats:
    """Signed distances ``(P, K, Y, X)``; planes side by side, as they take long."""

    def field(plane: Plane) -> Floats:
        return signed_distances(plane.labels + 1, range(1, classes + 1), spacing=spacing[1:])

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return np.stack([*pool.map(field, planes)])
