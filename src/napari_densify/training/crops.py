"""The painted parts of a volume, read once and kept on the working grid.

Only what lies around paint is read: a volume larger than memory costs what its
painted slices cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.annotations import Annotations
from napari_densify.core.blocks import Region, region_shape
from napari_densify.core.labels import ClassTable, to_class_indices
from napari_densify.core.normalisation import Intensity
from napari_densify.core.settings import Triple
from napari_densify.core.volume import Volume
from napari_densify.inference.inputs import encode, feature_bank, standardise
from napari_densify.training.plan import TrainPlan

__all__ = [
    "Crop",
    "measure_features",
    "merge_boxes",
    "read_crop",
    "repaint_crop",
    "training_regions",
]


@dataclass(frozen=True)
class Crop:
    """A box around paint, padded by reflection where it meets the volume's border.

    Attributes
    ----------
    image
        ``(C, Z, Y, X)`` float16, full resolution.
    features
        ``(F, z, y, x)`` float16 on the working grid, or None.
    labels
        ``(Z, Y, X)`` int16 class indices at full resolution, -1 where not annotated.
    origin
        Position (Z, Y, X) of voxel 0 in the volume; negative in the reflected border.
    source
        Number of the volume that it was read from.
    teacher
        ``(K, z, y, x)`` float16: a forest's probabilities, see ``training.teacher``.
    border
        Reflected voxels before and after the box, along each axis.
    """

    image: torch.Tensor
    features: torch.Tensor | None
    labels: torch.Tensor
    origin: Triple
    source: int = 0
    teacher: torch.Tensor | None = None
    border: tuple[tuple[int, int], ...] = ((0, 0),) * 3


def training_regions(
    boxes: Iterable[Region], shape: Triple, margin: Triple, factor: Triple
) -> list[Region]:
    """Boxes around paint, grown by a margin, aligned to working cells and merged.

    Parameters
    ----------
    boxes
        Painted boxes in voxels.
    shape
        Shape of the volume (Z, Y, X).
    margin
        Voxels (Z, Y, X) that a patch may reach beyond a painted voxel.
    factor
        Working cell (Z, Y, X).
    """
    grown = [_grow(box, shape, margin, factor) for box in boxes]
    return merge_boxes(grown)


def _grow(box: Region, shape: Triple, margin: Triple, factor: Triple) -> Region:
    z, y, x = (
        slice(max(0, s.start - m) // f * f, min(n, -(-(s.stop + m) // f) * f))
        for s, m, f, n in zip(box, margin, factor, shape, strict=True)
    )
    return z, y, x


def merge_boxes(boxes: Sequence[Region]) -> list[Region]:
    """Merge boxes whose common box is hardly larger than the two together."""
    merged: list[Region] = []
    for box in sorted(boxes, key=lambda b: tuple(s.start for s in b)):
        candidate = box
        grew = True
        while grew:
            grew = False
            for other in merged:
                common = _common(candidate, other)
                if _voxels(common) <= 1.05 * (_voxels(candidate) + _voxels(other)):
                    merged.remove(other)
                    candidate, grew = common, True
                    break
        merged.append(candidate)
    return merged


def _common(a: Region, b: Region) -> Region:
    z, y, x = (slice(min(s.start, t.start), max(s.stop, t.stop)) for s, t in zip(a, b, strict=True))
    return z, y, x


def _voxels(box: Region) -> int:
    return int(np.prod(region_shape(box)))


def read_crop(
    volume: Volume,
    annotations: Annotations,
    region: Region,
    *,
    intensity: Intensity,
    classes: ClassTable,
    plan: TrainPlan,
    held_out: Sequence[int] = (),
    source: int = 0,
) -> Crop:
    """Read, normalise and pad one region for patch sampling.

    The reflected border is half a patch deep where the region meets the end of
    the volume, so that painted voxels stand at every depth of a patch; otherwise
    a network of thin stacks reads depth from its zero padding.
    """
    factor, pads = plan.working_factor, _pads(region, volume.shape, plan)
    image = _read_voxels(volume, region, pads, plan)
    labels = _read_labels(annotations, region, classes, held_out, pads)
    # A patch of one slice needs features where there is paint, and nowhere else.
    painted = np.asarray((labels >= 0).any((1, 2))) if _is_flat(plan) else None
    encoded = encode(image, intensity, factor=factor, features=plan.features, slices=painted)
    z0, y0, x0 = (s.start - before for s, (before, _) in zip(region, pads, strict=True))
    return Crop(
        encoded.image, encoded.features, torch.from_numpy(labels), (z0, y0, x0), source,
        border=tuple(pads),
    )  # fmt: skip


def repaint_crop(
    crop: Crop,
    volume: Volume,
    annotations: Annotations,
    region: Region,
    *,
    intensity: Intensity,
    classes: ClassTable,
    plan: TrainPlan,
    held_out: Sequence[int] = (),
    scale: Callable[[torch.Tensor], object],
) -> Crop:
    """Read the paint of a crop again; its voxels are those that were read before.

    Parameters
    ----------
    crop
        Crop of the same region of the same volume, read earlier.
    scale
        Standardises features in place; only slices that were not painted before need any.
    """
    pads = _pads(region, annotations.shape, plan)
    labels = _read_labels(annotations, region, classes, held_out, pads)
    if crop.features is not None and _is_flat(plan):
        known = crop.features.any(0).flatten(1).any(1).numpy()
        new = np.asarray((labels >= 0).any((1, 2))) & ~known
        if new.any() and plan.features is not None:
            image = _read_voxels(volume, region, pads, plan)
            voxels = standardise(image, intensity, plan.working_factor)
            bank = feature_bank(voxels, plan.working_factor, plan.features, new)
            rows = bank[:, torch.from_numpy(new)]
            scale(rows)
            crop.features[:, torch.from_numpy(new)] = rows
    return replace(crop, labels=torch.from_numpy(labels))


def _is_flat(plan: TrainPlan) -> bool:
    return plan.patch[0] == 1 and plan.working_factor[0] == 1


def _pads(region: Region, shape: Sequence[int], plan: TrainPlan) -> list[tuple[int, int]]:
    depth, height, width = plan.patch
    sizes = depth + 2 * plan.slice_reach, height, width
    return [
        _border(s, n, p * f // 2, f)
        for s, n, p, f in zip(region, shape, sizes, plan.working_factor, strict=True)
    ]


def _read_voxels(
    volume: Volume, region: Region, pads: Sequence[tuple[int, int]], plan: TrainPlan
) -> npt.NDArray[Any]:
    """Read and pad ``(C, Z, Y, X)``, with the slices at either end that its features look at."""
    more = plan.features.reach * plan.working_factor[0] if plan.features else 0
    start, stop = region[0].start - more, region[0].stop + more
    low, high = max(0, start), min(volume.shape[0], stop)
    (before, after), *sides = pads
    ends = before + low - start, after + stop - high
    image = volume.read((slice(low, high), *region[1:]))
    return np.pad(image, [(0, 0), ends, *sides], mode="reflect")


def _read_labels(
    annotations: Annotations,
    region: Region,
    classes: ClassTable,
    held_out: Sequence[int],
    pads: Sequence[tuple[int, int]],
) -> npt.NDArray[np.int16]:
    labels = to_class_indices(annotations.read(region), classes)
    for z in held_out:
        if region[0].start <= z < region[0].stop:
            labels[z - region[0].start] = -1
    padded: npt.NDArray[np.int16] = np.pad(labels, pads, mode="reflect")
    return padded


def _border(side: slice, length: int, reach: int, cell: int) -> tuple[int, int]:
    # Whole cells, so that the working grid keeps its phase.
    reach = -(-reach // cell) * cell if length > 1 or reach else 0
    before = reach if side.start == 0 else 0
    after = reach if side.stop == length else 0
    return before, after + (-(side.stop - side.start + before + after)) % cell


def measure_features(crops: Sequence[Crop]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean of each feature over the crops, and one over its standard deviation.

    Slices whose features were not computed (all 0) are left out.
    """
    voxels, total, squares = 0, torch.zeros(()), torch.zeros(())
    for bank in (c.features for c in crops if c.features is not None):
        seen = bank[:, bank.any(0).flatten(1).any(1)].float()  # one at a time: twice its memory
        voxels += seen[0].numel()
        total = total + seen.sum((1, 2, 3))
        squares = squares + seen.square().sum((1, 2, 3))
    if not voxels:
        return (), ()
    mean, squares = total / voxels, squares / voxels
    deviation = (squares - mean**2).clamp(min=1e-8).sqrt()
    return tuple(mean.tolist()), tuple((1 / deviation).tolist())
