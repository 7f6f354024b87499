"""Patches centred on painted voxels, balanced by class.

A patch without an annotated voxel is never drawn: every patch is built around
one. Flips and transposes are exact and free, so they happen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.core.blocks import Region
from napari_densify.core.errors import InputError
from napari_densify.core.settings import Triple
from napari_densify.training.crops import Crop

__all__ = ["Batch", "PatchSampler"]

_Patch = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor | None]
"""Image, features, labels, teacher."""

# Enough distinct centres for any training; bounds the memory of dense paint.
_MAX_CENTRES = 400_000
# Share of the patches that show what was painted last.
_NEWEST_SHARE = 0.25


@dataclass(frozen=True)
class Batch:
    """Patches of one step.

    Attributes
    ----------
    image
        ``(N, C, Z, Y, X)`` float16, full resolution.
    features
        ``(N, F, z, y, x)`` float16 on the working grid, or None.
    labels
        ``(N, Z, Y, X)`` int64 class indices, -1 where not annotated.
    teacher
        ``(N, K, z, y, x)`` float16 on the working grid, or None.
    """

    image: torch.Tensor
    features: torch.Tensor | None
    labels: torch.Tensor
    teacher: torch.Tensor | None = None


class PatchSampler:
    """Draws batches of patches from crops.

    Parameters
    ----------
    crops
        Painted regions; all must fit a patch (they are padded when read).
    patch
        Patch size (Z, Y, X) on the working grid.
    factor
        Working cell (Z, Y, X) in voxels.
    classes
        Number of classes; each is drawn equally often as a centre.
    seed
        Seed of all choices.
    mirror
        Flip and transpose patches at random.
    reach
        Slices beyond either end of a patch that its image (not its labels) brings along.
    margin
        Working cells (Z, Y, X) at the border of a patch where nothing is learned:
        centres keep out of it.
    newest
        Parts of the first volume that were painted last: a quarter of the centres
        lie there.
    """

    def __init__(
        self,
        crops: Sequence[Crop],
        patch: Triple,
        factor: Triple,
        *,
        classes: int,
        seed: int = 0,
        mirror: bool = True,
        reach: int = 0,
        margin: Triple = (0, 0, 0),
        newest: Sequence[Region] = (),
    ) -> None:
        self.crops = list(crops)
        self._patch, self._factor, self._classes = patch, factor, classes
        self._random = np.random.default_rng(seed)
        self._mirror = mirror
        self._margin = margin
        self._ends = (reach, 0, 0)
        self._centres = self._find_centres()
        self._newest = self._find_newest(newest)

    @property
    def random_state(self) -> dict[str, Any]:
        """State of the random choices, as plain data; can be set again."""
        return dict(self._random.bit_generator.state)

    @random_state.setter
    def random_state(self, state: dict[str, Any]) -> None:
        self._random.bit_generator.state = state

    def draw(self, count: int) -> Batch:
        """Draw ``count`` patches."""
        patches = [self._draw_one() for _ in range(count)]
        images, features, labels, teachers = zip(*patches, strict=True)
        bank = None if features[0] is None else torch.stack(features)
        teacher = None if teachers[0] is None else torch.stack(teachers)
        return Batch(torch.stack(images), bank, torch.stack(labels).long(), teacher)

    def _find_centres(self) -> list[npt.NDArray[np.int32]]:
        """List painted voxels by class: rows of (crop, z, y, x)."""
        rows: list[list[npt.NDArray[np.int32]]] = [[] for _ in range(self._classes)]
        for number, crop in enumerate(self.crops):
            labels = crop.labels.numpy()
            for index in range(self._classes):
                flat = np.flatnonzero(labels == index)
                if flat.size > _MAX_CENTRES:
                    flat = self._random.choice(flat, _MAX_CENTRES, replace=False)
                position = np.stack(np.unravel_index(flat, labels.shape), 1)
                tagged = np.insert(position, 0, number, axis=1).astype(np.int32)
                rows[index].append(tagged)
        centres = [np.concatenate(r) for r in rows]
        painted = [c for c in centres if len(c)]
        if not painted:
            raise InputError("no annotated voxel is left to train on", mend="paint more slices")
        return painted

    def _find_newest(self, regions: Sequence[Region]) -> list[npt.NDArray[np.int32]]:
        """Centres by class that lie in some regions of the first volume."""
        if not regions:
            return []
        origins = np.array([c.origin for c in self.crops])
        first = np.array([c.source == 0 for c in self.crops])
        low = np.array([[s.start for s in r] for r in regions])
        high = np.array([[s.stop for s in r] for r in regions])
        found = []
        for rows in self._centres:
            place = (rows[:, 1:] + origins[rows[:, 0]])[:, None]
            inside = ((place >= low) & (place < high)).all(2).any(1) & first[rows[:, 0]]
            found.append(rows[inside])
        return [rows for rows in found if len(rows)]

    def _draw_one(self) -> _Patch:
        new = bool(self._newest) and self._random.random() < _NEWEST_SHARE
        groups = self._newest if new else self._centres
        centres = groups[self._random.integers(len(groups))]
        number, *voxel = centres[self._random.integers(len(centres))]
        crop = self.crops[number]
        coarse = tuple(
            int(np.clip(self._start(v // f, p, m), e, n // f - p - e))
            for v, f, p, n, m, e in zip(
                voxel,
                self._factor,
                self._patch,
                crop.labels.shape,
                self._margin,
                self._ends,
                strict=True,
            )
        )
        fine_box, image_box = self._fine_box(coarse, (0, 0, 0)), self._fine_box(coarse, self._ends)
        coarse_box = tuple(slice(s, s + p) for s, p in zip(coarse, self._patch, strict=True))
        image, labels = crop.image[(slice(None), *image_box)], crop.labels[fine_box]
        features, teacher = (
            None if bank is None else bank[(slice(None), *coarse_box)]
            for bank in (crop.features, crop.teacher)
        )
        return self._turned((image, features, labels, teacher))

    def _fine_box(self, start: tuple[int, ...], ends: Triple) -> tuple[slice, ...]:
        return tuple(
            slice((s - e) * f, (s + p + e) * f)
            for s, f, p, e in zip(start, self._factor, self._patch, ends, strict=True)
        )

    def _start(self, centre: int, size: int, margin: int) -> int:
        # The painted voxel stands anywhere in the middle half of the patch, in
        # thin patches anywhere at all: then no depth of the patch is special.
        reach = max(size // 4, (size - 1) // 2 if size < 16 else 0)
        reach = min(reach, (size - 1) // 2 - margin)
        return centre - size // 2 + int(self._random.integers(-reach, reach + 1))

    def _turned(self, patch: _Patch) -> _Patch:
        if not self._mirror:
            return patch
        flips = [axis for axis in (-3, -2, -1) if self._random.random() < 0.5]
        square = self._patch[1] == self._patch[2] and self._factor[1] == self._factor[2]
        transpose = square and self._random.random() < 0.5

        def turn(array: torch.Tensor) -> torch.Tensor:
            flipped = array.flip(flips) if flips else array
            return flipped.transpose(-1, -2) if transpose else flipped

        image, features, labels, teacher = patch
        return (
            turn(image),
            None if features is None else turn(features),
            turn(labels),
            None if teacher is None else turn(teacher),
        )
