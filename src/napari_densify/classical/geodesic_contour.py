"""Morphological geodesic active contours: outlines that settle on edges."""

from __future__ import annotations

from pydantic import Field
from skimage.segmentation import (
    inverse_gaussian_gradient,
    morphological_geodesic_active_contour,
)

from napari_densify.classical.contours import ContourParameters, Mask, contour_rule
from napari_densify.classical.task import Image, Rule, Task

__all__ = ["SEARCH", "GeodesicContourParameters", "fit"]

SEARCH = {"iterations": (5, 20, 60), "balloon": (-1, 0, 1), "sigma": (0.0, 1.0)}


class GeodesicContourParameters(ContourParameters):
    """Parameters of morphological geodesic active contours."""

    smoothing: int = Field(
        1, ge=0, le=4, title="Smoothness", description="Smoothing steps of each iteration"
    )
    balloon: int = Field(
        0,
        ge=-1,
        le=1,
        title="Balloon",
        description="1 grows and -1 shrinks the outline where there is no edge",
    )
    alpha: float = Field(
        100.0, gt=0, le=10_000, title="Steepness", description="How strongly edges stop it"
    )


def fit(task: Task, parameters: GeodesicContourParameters) -> Rule:
    """Move interpolated outlines towards edges.

    References
    ----------
    Caselles et al., Geodesic active contours, IJCV 22, 61 (1997); Marquez-Neila et al.,
    IEEE TPAMI 36, 2 (2014).
    """

    def refine(image: Image, mask: Mask) -> Mask:
        edges = inverse_gaussian_gradient(image, alpha=parameters.alpha, sigma=1.0)
        moved: Mask = morphological_geodesic_active_contour(
            edges,
            parameters.iterations,
            init_level_set=mask,
            smoothing=parameters.smoothing,
            balloon=parameters.balloon,
        ).astype(bool)
        return moved

    return contour_rule(task, parameters, refine)
