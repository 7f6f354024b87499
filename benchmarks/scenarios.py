"""Volumes, and paint placed on them by rule from the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_densify.core.volume import Volume
from napari_densify.data import sample_files, sample_names
from napari_densify.io import open_image, open_labels

Labels = np.ndarray


@dataclass(frozen=True)
class Scene:
    """A volume with its truth and the paint that a method may see."""

    name: str
    image: Volume
    truth: Labels
    paint: Labels


def volumes(folder: Path | None) -> Iterator[tuple[str, Volume, Labels]]:
    """Bundled samples, and every sub-folder of ``folder`` with image.tif and labels.tif."""
    for name in sample_names():
        files = sample_files(name)
        yield name, open_image(files.image), open_labels(files.truth).read_labels()
    for path in sorted(folder.glob("*/labels.tif")) if folder else []:
        image = open_image(path.with_name("image.tif"))
        yield path.parent.name, image, open_labels(path).read_labels()


def full_slices(truth: Labels, count: int, seed: int) -> Labels:
    """Paint ``count`` whole slices, evenly spaced, shifted by the seed."""
    paint = np.zeros_like(truth)
    step = len(truth) / count
    shift = np.random.default_rng(seed).uniform(0.3, 0.7)
    for z in np.unique(((np.arange(count) + shift) * step).astype(int)):
        paint[z] = truth[z]
    return paint


def three_planes(truth: Labels, count: int, seed: int) -> Labels:
    """Paint one whole slice in each direction, as in Cicek et al. 2016."""
    del count
    paint = np.zeros_like(truth)
    shift = np.random.default_rng(seed).uniform(0.4, 0.6, 3)
    z, y, x = (int(n * s) for n, s in zip(truth.shape, shift, strict=True))
    paint[z], paint[:, y], paint[:, :, x] = truth[z], truth[:, y], truth[:, :, x]
    return paint


def strokes(truth: Labels, count: int, seed: int, *, share: float = 0.01) -> Labels:
    """Paint short strokes, 3 voxels wide, on about ``share`` of ``count`` slices.

    Classes take turns, so a rare one gets as many strokes as a frequent one.
    """
    paint, random = np.zeros_like(truth), np.random.default_rng(seed)
    for z in np.flatnonzero(full_slices(truth, count, seed).any((1, 2))):
        plane, out = truth[z], paint[z]
        classes = np.unique(plane[plane > 0])
        turn = 0
        while np.count_nonzero(out) < share * plane.size and turn < 5000:
            value = classes[turn % len(classes)]
            turn += 1
            _stroke(plane, out, value, random)
    return paint


def paint_plane(
    truth: Labels, paint: Labels, axis: int, index: int, *, seed: int, share: float = 0.005
) -> None:
    """Add strokes on about ``share`` of one plane across any axis, classes in turn."""
    random = np.random.default_rng(seed)
    plane, out = truth.take(index, axis), np.zeros(truth.take(index, axis).shape, paint.dtype)
    classes = np.unique(plane[plane > 0])
    for turn in range(5000):
        if np.count_nonzero(out) >= share * plane.size:
            break
        _stroke(plane, out, classes[turn % len(classes)], random)
    place: list[int | slice] = [slice(None)] * 3
    place[axis] = index
    paint[tuple(place)] = np.where(out > 0, out, paint[tuple(place)])


def _stroke(plane: Labels, out: Labels, value: int, random: np.random.Generator) -> None:
    rows, columns = np.nonzero(plane == value)
    pick = random.integers(len(rows))
    angle = random.uniform(0, 2 * np.pi)
    for t in range(15):
        y, x = int(rows[pick] + t * np.sin(angle)), int(columns[pick] + t * np.cos(angle))
        inside = 0 <= y < plane.shape[0] and 0 <= x < plane.shape[1]
        if not inside or plane[y, x] != value:
            return
        box = slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2)
        out[box][plane[box] == value] = value


PAINT: dict[str, Callable[..., Labels]] = {
    "slices": full_slices,
    "planes": three_planes,
    "strokes": strokes,
}


def slice_count(depth: int) -> int:
    """Few slices: 2 of a thin stack, 3 of a medium one, 5 of a deep one."""
    return 2 if depth <= 12 else 3 if depth <= 60 else 5
