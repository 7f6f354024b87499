"""Edges, closed into regions: Canny, Sobel, Scharr, Laplacian of Gaussian."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage
from skimage import feature, filters

from napari_densify.classical.outlines import Outlined, outline_rule
from napari_densify.classical.task import Image, Parameters, Rule, Task

__all__ = ["SEARCH", "EdgeParameters", "find_edges", "fit"]

SEARCH = {
    "operator": ("canny", "sobel", "log"),
    "sigma": (1.0, 2.0, 4.0),
    "quantile": (0.7, 0.8, 0.9),
}


class EdgeParameters(Parameters):
    """Parameters of edge detection, slice by slice."""

    operator: Literal["canny", "sobel", "scharr", "log"] = Field(
        "canny", title="Operator", description="How edges are found; log: Laplacian of Gaussian"
    )
    sigma: float = Field(
        2.0,
        ge=0,
        le=20,
        title="Smoothing",
        description="Gaussian smoothing in the plane, before edges are found",
        json_schema_extra={"unit": "voxels"},
    )
    quantile: float = Field(
        0.8,
        ge=0.3,
        le=0.999,
        title="Strong edges",
        description="Part of a slice's voxels that are weaker than an edge",
    )
    close: int = Field(
        1,
        ge=0,
        le=20,
        title="Close gaps",
        description="Edges are widened by this much, so that small gaps close",
        json_schema_extra={"unit": "voxels"},
    )


def find_edges(plane: Image, *, operator: str, sigma: float, quantile: float) -> Any:
    """Edges of a slice ``(Y, X)`` as a mask, with scikit-image.

    References
    ----------
    Canny, IEEE TPAMI 8, 679 (1986). Marr & Hildreth, Proc. R. Soc. B 207, 187 (1980).
    """
    if operator == "canny":
        return feature.canny(
            plane,
            sigma=max(sigma, 0.1),
            low_threshold=max(0.0, quantile - 0.1),
            high_threshold=quantile,
            use_quantiles=True,
        )
    if operator == "log":
        response = ndimage.gaussian_laplace(plane, max(sigma, 0.5))
        strength = filters.sobel(response)
        crossing = _sign_changes(response)
        return crossing & (strength >= np.quantile(strength, quantile))
    smooth = ndimage.gaussian_filter(plane, sigma) if sigma > 0 else plane
    strength = (filters.sobel if operator == "sobel" else filters.scharr)(smooth)
    return strength > np.quantile(strength, quantile)


def _sign_changes(response: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    positive = response > 0
    changes = np.zeros(response.shape, bool)
    changes[:-1] |= positive[:-1] != positive[1:]
    changes[:, :-1] |= positive[:, :-1] != positive[:, 1:]
    return changes


def fit(task: Task, parameters: EdgeParameters) -> Rule:
    """Find edges slice by slice; the regions between them are named by paint.

    Edge voxels themselves join the region nearest to them.
    """

    def outlined(plane: Image) -> Outlined:
        mask = find_edges(
            plane,
            operator=parameters.operator,
            sigma=parameters.sigma,
            quantile=parameters.quantile,
        )
        if parameters.close:
            mask = ndimage.binary_dilation(mask, iterations=parameters.close)
        smooth = ndimage.gaussian_filter(plane, max(parameters.sigma, 0.5))
        return Outlined(mask, (smooth,), keep=False)

    return outline_rule(task, parameters.channel, outlined)
