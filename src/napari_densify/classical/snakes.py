"""Snakes: every outline of a slice is an elastic curve pulled to edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from skimage.draw import polygon2mask
from skimage.measure import find_contours
from skimage.segmentation import active_contour

from napari_densify.classical.contours import ContourParameters, Mask, contour_rule
from napari_densify.classical.task import Image, Rule, Task

__all__ = ["SEARCH", "SnakeParameters", "fit", "move_snake"]

SEARCH = {"alpha": (0.005, 0.02), "edges": (1.0, 3.0), "sigma": (1.0, 2.0, 3.0)}

_FEWEST, _MOST = 8, 150
_MARGIN = 12


class SnakeParameters(ContourParameters):
    """Parameters of snakes."""

    alpha: float = Field(
        0.01, ge=0, le=1, title="Length", description="How strongly the curve is kept short"
    )
    beta: float = Field(
        0.1, ge=0, le=100, title="Bending", description="How strongly the curve is kept smooth"
    )
    edges: float = Field(1.0, ge=-10, le=10, title="Edges", description="Pull of edges")
    lines: float = Field(
        0.0, ge=-10, le=10, title="Lines", description="Pull of bright (positive) or dark lines"
    )


def move_snake(
    image: Image, curve: npt.NDArray[Any], *, parameters: SnakeParameters
) -> npt.NDArray[Any]:
    """Move one closed curve ``(N, 2)`` of Y, X positions, with scikit-image.

    References
    ----------
    Kass, Witkin & Terzopoulos, Snakes: active contour models, IJCV 1, 321 (1988).
    """
    moved: npt.NDArray[Any] = active_contour(
        image,
        curve,
        alpha=parameters.alpha,
        beta=parameters.beta,
        w_edge=parameters.edges,
        w_line=parameters.lines,
        max_num_iter=parameters.iterations,
        max_px_move=0.5,
    )
    return moved


def fit(task: Task, parameters: SnakeParameters) -> Rule:
    """Move each interpolated outline as a snake; very short ones stay as they are."""

    def refine(image: Image, mask: Mask) -> Mask:
        out = np.zeros(mask.shape, bool)
        # Padded, so that outlines are closed at the border of the slice as well.
        for outline in find_contours(np.pad(mask.astype(np.float32), 1), 0.5):
            curve = outline[:-1] - 1.0
            if len(curve) >= _FEWEST:
                curve = _move(image, curve, parameters)
            # A hole lies inside another outline: filling both with "or else" leaves it open.
            _toggle(out, curve)
        return out

    return contour_rule(task, parameters, refine)


def _toggle(mask: Mask, curve: npt.NDArray[Any]) -> None:
    """Turn over what a curve encloses, within its bounding box."""
    low = np.clip(np.floor(curve.min(0)).astype(int) - 1, 0, mask.shape)
    high = np.clip(np.ceil(curve.max(0)).astype(int) + 2, 0, mask.shape)
    part = mask[low[0] : high[0], low[1] : high[1]]
    if part.size:
        part ^= polygon2mask(part.shape, curve - low)


def _move(image: Image, curve: npt.NDArray[Any], parameters: SnakeParameters) -> npt.NDArray[Any]:
    step = max(1, len(curve) // _MOST)
    curve = curve[::step]
    low = np.maximum(np.floor(curve.min(0)).astype(int) - _MARGIN, 0)
    high = np.minimum(np.ceil(curve.max(0)).astype(int) + _MARGIN, np.asarray(image.shape))
    part = image[low[0] : high[0], low[1] : high[1]]
    if min(part.shape) < 4:
        return curve
    moved = move_snake(part, curve - low, parameters=parameters) + low
    # Beyond the border of the slice there is no edge to follow: the outline stays.
    outside = ((curve < 0) | (curve > np.asarray(image.shape) - 1)).any(1, keepdims=True)
    result: npt.NDArray[Any] = np.where(outside, curve, moved)
    return result
