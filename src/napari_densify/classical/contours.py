"""What active contours share: they start from interpolated paint and are moved slice by slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from napari_densify.classical.interpolation import InterpolationParameters
from napari_densify.classical.interpolation import fit as fit_interpolation
from napari_densify.classical.task import Image, Labels, Parameters, Rule, Task
from napari_densify.core.blocks import Region

__all__ = ["ContourParameters", "Refine", "contour_rule", "unit_range"]

Mask = npt.NDArray[np.bool_]
Refine = Callable[[Image, Mask], Mask]
"""Moves the outline of one class in one slice."""


class ContourParameters(Parameters):
    """Parameters that all active contours have."""

    iterations: int = Field(
        20, ge=1, le=1000, title="Iterations", description="How often the contour is moved"
    )


def unit_range(image: Image) -> Image:
    """Scale intensities to 0..1, which active contours are tuned for."""
    low, high = np.percentile(image, [0.5, 99.5])
    scaled: Image = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1)
    return scaled.astype(np.float32)


def contour_rule(task: Task, parameters: ContourParameters, refine: Refine) -> Rule:
    """Interpolate paint to every slice and move the outlines there.

    With two classes one outline is moved, that of the class which isn't background (the
    second, if none is flagged); with more, that of every class. Whole slices are
    looked at, whatever part of them is asked for. Painted voxels stay as painted.
    """
    start = fit_interpolation(task, InterpolationParameters())
    paint = task.require_paint()

    def rule(region: Region) -> Labels:
        z, y, x = region
        out = np.empty([s.stop - s.start for s in region], task.dtype)
        for row, number in enumerate(range(z.start, z.stop)):
            box = (slice(number, number + 1), *task.region[1:])
            image = unit_range(task.smooth(box, parameters)[0])
            codes = _refine_slice(image, start(box)[0], task, refine)
            known = paint.plane(number)
            out[row] = np.where(known > 0, known, codes)[y, x]
        return out

    return rule


def _refine_slice(image: Image, codes: Labels, task: Task, refine: Refine) -> Labels:
    present = [v for v in task.classes if (codes == v).any()]
    if len(present) < 2:
        return codes
    if len(present) == 2:
        front = next(v for v in reversed(present) if v != task.table.background)
        back = next(v for v in present if v != front)
        return np.where(refine(image, codes == front), front, back).astype(task.dtype)
    claims = np.stack([_claim(refine(image, codes == v)) for v in present])
    winner = np.asarray(present, task.dtype)[claims.argmax(0)]
    result: Labels = np.where(claims.max(0) > 0, winner, codes)
    return result


def _claim(mask: Mask) -> npt.NDArray[Any]:
    """How strongly a class claims each voxel: more inside its outline than at it."""
    claim: npt.NDArray[Any] = ndimage.gaussian_filter(mask.astype(np.float32), 1.0, truncate=2.0)
    return claim
