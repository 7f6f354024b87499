"""From outlines to classes: the regions of a slice that outlines enclose, named by paint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_densify.classical.regions import RegionNames, describe_regions
from napari_densify.classical.task import Image, Labels, Rule, Task
from napari_densify.core.blocks import Region

__all__ = ["Outlined", "outline_rule"]


@dataclass(frozen=True)
class Outlined:
    """Outlines of a slice.

    Attributes
    ----------
    mask
        Outline voxels ``(Y, X)``.
    images
        Images ``(Y, X)`` that tell regions apart.
    keep
        Outlines are a region of their own (a membrane); otherwise their voxels
        join the nearest region.
    """

    mask: npt.NDArray[np.bool_]
    images: tuple[Image, ...]
    keep: bool


def outline_rule(task: Task, channel: int, outlined: Callable[[Image], Outlined]) -> Rule:
    """Learn on painted slices which regions are which class; then name those of any slice.

    Whole slices are looked at, whatever part of them is asked for: a region that is
    cut would be another region.
    """
    names = RegionNames(task.classes)
    painted = task.paint.slices if task.paint is not None else ()
    for box in task.planes():
        lines = outlined(task.image(box, channel)[0])
        names.learn(_number(lines), lines.images, task.require_paint().read(box)[0])

    def rule(region: Region) -> Labels:
        z, y, x = region
        out = np.empty([s.stop - s.start for s in region], task.dtype)
        for row, number in enumerate(range(z.start, z.stop)):
            lines = outlined(_plane(task, number, channel))
            regions = _number(lines)
            paint = task.require_paint().plane(number) if number in painted else None
            codes = names.name(describe_regions(regions, lines.images), regions, paint)
            out[row] = codes[regions][y, x]
        return out

    return rule


def _plane(task: Task, z: int, channel: int) -> Image:
    plane: Image = task.image((slice(z, z + 1), *task.region[1:]), channel)[0]
    return plane


def _number(lines: Outlined) -> npt.NDArray[np.int64]:
    """Give regions numbers from 0 without gaps; kept outlines are region 0."""
    regions: npt.NDArray[np.int64] = ndimage.label(~lines.mask)[0]
    if lines.keep:
        return regions
    if not regions.any():
        return np.zeros_like(regions)
    nearest = ndimage.distance_transform_edt(
        regions == 0, return_distances=False, return_indices=True
    )
    joined: npt.NDArray[np.int64] = regions[tuple(nearest)] - 1
    return joined
