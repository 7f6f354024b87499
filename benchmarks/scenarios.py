"""Volumes, and paint placed on them by rule from the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation
from skimage.measure import label
from skimage.morphology import skeletonize

from napari_densify.core.volume import Volume
from napari_densify.data import sample_files, sample_names
from napari_densify.data.synthetic import SYNTHETIC_KINDS, synthetic_volume
from napari_densify.io import open_image, open_labels

Labels = np.ndarray
Place = tuple[int, int]


@dataclass(frozen=True)
class Scene:
    """A volume with its truth and the paint that a method may see.

    ``second`` is another volume with the same classes, on which nothing is painted.
    """

    name: str
    image: Volume
    truth: Labels
    paint: Labels
    second: Scene | None = None


Labelled = tuple[str, Volume, Labels]


def volumes(folder: Path | None) -> Iterator[Labelled]:
    """Bundled samples, and what ``folder`` has.

    Its sub-folders hold image.tif and labels.tif (volume FOLDER), or several
    NAME_image.tif with NAME_labels.tif (volumes FOLDER/NAME).
    """
    for name in sample_names():
        files = sample_files(name)
        yield name, open_image(files.image), open_labels(files.truth).read_labels()
    for path in sorted(folder.glob("*/*labels.tif")) if folder else []:
        prefix = path.name.removesuffix("labels.tif")
        image = path.with_name(f"{prefix}image.tif")
        if image.exists():
            name = "/".join(filter(None, (path.parent.name, prefix.rstrip("_"))))
            yield name, open_image(image), open_labels(path).read_labels()


def find_volume(name: str, folder: Path | None) -> Labelled:
    """Look a volume up by its name.

    NAME@first and NAME@second are the halves of one along Z; synthetic:KIND:SEED comes
    from the random generator.
    """
    if name.startswith("synthetic:"):
        _, kind, seed = name.split(":")
        image, truth = synthetic_volume(kind, _SYNTHETIC_SHAPES[kind], seed=int(seed))
        return name, Volume(image, SYNTHETIC_KINDS[kind].spacing, True), truth
    base, _, half = name.partition("@")
    for found, image, truth in volumes(folder):
        if found == base:
            return (name, *_half(image, truth, half)) if half else (found, image, truth)
    raise SystemExit(f"no volume is called {base!r}")


_SYNTHETIC_SHAPES = {
    "sstem": (12, 256, 256), "sbem": (24, 192, 192), "fibsem": (64, 128, 128),
    "nuclei": (48, 128, 128), "cells": (48, 128, 128), "rock": (64, 128, 128),
}  # fmt: skip


def _half(image: Volume, truth: Labels, half: str) -> tuple[Volume, Labels]:
    middle = len(truth) // 2
    z = {"first": slice(0, middle), "second": slice(middle, None)}[half]
    return Volume(image.read()[0][z], image.spacing, image.spacing_known), truth[z]


def crop(labelled: Labelled, size: int | None) -> Labelled:
    """Cut a volume to ``size`` in Y and X, from its middle, where it is larger."""
    name, image, truth = labelled
    if size is None or max(truth.shape[1:]) <= size:
        return labelled
    box = [slice(max(0, (n - size) // 2), max(0, (n - size) // 2) + size) for n in truth.shape[1:]]
    cut = np.ascontiguousarray(image.read()[0][:, *box])
    return name, Volume(cut, image.spacing, image.spacing_known), truth[:, *box]


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


def strokes(
    truth: Labels, count: int, seed: int, *, share: float = 0.01, in_turn: bool = True
) -> Labels:
    """Paint short strokes, 3 voxels wide, on about ``share`` of ``count`` slices.

    Classes take turns, so a rare one gets as many strokes as a frequent one; otherwise
    strokes begin anywhere.
    """
    paint, random = np.zeros_like(truth), np.random.default_rng(seed)
    for z in _painted(truth, count, seed):
        plane, out = truth[z], paint[z]
        classes = _classes(plane)
        turn = 0
        while np.count_nonzero(out) < share * plane.size and turn < 5000:
            value = classes[turn % len(classes)] if in_turn else random.choice(plane[plane > 0])
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


def five_slices(truth: Labels, count: int, seed: int) -> Labels:
    """Paint five whole slices (fewer of a thin stack): what strokes are compared with."""
    return full_slices(truth, _five(count, truth), seed)


def five_strokes(truth: Labels, count: int, seed: int) -> Labels:
    """Paint strokes on about 1 % of the slices of ``five_slices``."""
    return strokes(truth, _five(count, truth), seed)


def anywhere_strokes(truth: Labels, count: int, seed: int) -> Labels:
    """Paint as ``five_strokes``, but strokes begin anywhere: a rare class gets few."""
    return strokes(truth, _five(count, truth), seed, in_turn=False)


def inside_strokes(truth: Labels, count: int, seed: int) -> Labels:
    """Paint 12 strokes of a 3 voxel brush a class and slice, wholly inside the class.

    Whoever keeps clear of borders paints a thin structure only where it is thick.
    """
    paint = np.zeros_like(truth)
    for z in _painted(truth, _five(count, truth), seed):
        for value in _classes(truth[z]):
            places = inside_places(truth[z], value, np.random.default_rng([seed, z]))
            for y, x in islice(places, 12):
                paint[z, y - 1 : y + 2, x : x + 11] = value
    return paint


def inside_places(plane: Labels, value: int, random: np.random.Generator) -> Iterator[Place]:
    """Where a stroke of 3 x 11 voxels to the right fits into a class, in random order."""
    for y, x in random.permutation(np.argwhere(plane == value)).tolist():
        around = plane[max(0, y - 1) : y + 2, x : x + 12]
        if around.shape == (3, 12) and (around == value).all():
            yield y, x


def scribbles(truth: Labels, count: int, seed: int) -> Labels:
    """Paint 6 scribbles a class and slice along its middle line, 3 voxels wide, up to 21 long."""
    paint, random = np.zeros_like(truth), np.random.default_rng(seed)
    for z in _painted(truth, _five(count, truth), seed):
        for value in _classes(truth[z]):
            middle = skeletonize(truth[z] == value)
            for y, x in random.permutation(np.argwhere(middle))[:6].tolist():
                box = (slice(max(0, y - 10), y + 11), slice(max(0, x - 10), x + 11))
                pieces = label(middle[box], connectivity=2)
                piece = pieces == pieces[y - box[0].start, x - box[1].start]
                wide = binary_dilation(piece, np.ones((3, 3))) & (truth[z][box] == value)
                paint[z][box][wide] = value
    return paint


def _painted(truth: Labels, count: int, seed: int) -> list[int]:
    found: list[int] = np.flatnonzero(full_slices(truth, count, seed).any((1, 2))).tolist()
    return found


def _classes(plane: Labels) -> list[int]:
    found: list[int] = np.unique(plane[plane > 0]).tolist()
    return found


def _five(count: int, truth: Labels) -> int:
    return max(count, min(5, len(truth) // 2))


PAINT: dict[str, Callable[..., Labels]] = {
    "slices": full_slices,
    "planes": three_planes,
    "strokes": five_strokes,
    "anywhere": anywhere_strokes,
    "inside": inside_strokes,
    "scribbles": scribbles,
    "five": five_slices,
}


def slice_count(depth: int) -> int:
    """Few slices: 2 of a thin stack, 3 of a medium one, 5 of a deep one."""
    return 2 if depth <= 12 else 3 if depth <= 60 else 5
