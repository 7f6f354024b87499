"""The slices that pictures show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.comparison.case import Case
from napari_densify.comparison.entries import Entry
from napari_densify.core.labels import UNLABELLED
from napari_densify.io import open_labels

__all__ = ["View", "choose_slices", "load_view"]

Plane = npt.NDArray[Any]

_SHOWN = 2


@dataclass(frozen=True)
class View:
    """One slice: image, truth, and what every entry makes of it.

    Attributes
    ----------
    z
        Slice number.
    image
        Intensities ``(Y, X)`` of the first channel.
    truth
        Codes ``(Y, X)``; 0 where not scored.
    labels
        Entries with their codes ``(Y, X)``.
    """

    z: int
    image: Plane
    truth: Plane
    labels: tuple[tuple[Entry, Plane], ...]


def choose_slices(case: Case) -> list[int]:
    """Choose scored slices: a middle one, and the one farthest from paint."""
    scored = next((e.scores.slices for e in case.entries if e.scores), ())
    if not scored:
        return [case.image.shape[0] // 2]
    middle = scored[len(scored) // 2].z
    # Far from paint is where methods differ, and what most of a volume is like.
    far = sorted(scored, key=lambda s: (-(s.distance or 0), abs(s.z - middle)))[0].z
    typical = sorted(scored, key=lambda s: (s.distance or 0, abs(s.z - middle)))[len(scored) // 2].z
    return list(dict.fromkeys([far, typical, middle]))[:_SHOWN]


def load_view(case: Case, entries: list[Entry], z: int) -> View:
    """Read one slice of everything."""
    _, y, x = case.image.shape
    box = (slice(z, z + 1), slice(0, y), slice(0, x))
    truth = np.array(case.truth[z]).astype(np.int64)
    scores = next((e.scores for e in case.entries if e.scores), None)
    for code, meaning in sorted((scores.truth_codes if scores else {}).items(), reverse=True):
        truth[np.asarray(case.truth[z]) == code] = meaning
    truth[np.asarray(case.training[z]) != UNLABELLED] = UNLABELLED
    labels = tuple(
        (entry, open_labels(case.folder / entry.labels).read_labels(box)[0])
        for entry in entries
        if entry.labels
    )
    return View(z=z, image=case.image.read(box)[0, 0], truth=truth, labels=labels)
