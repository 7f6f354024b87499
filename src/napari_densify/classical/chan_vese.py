"""Morphological Chan-Vese: outlines that part two mean intensities."""

from __future__ import annotations

from pydantic import Field
from skimage.segmentation import morphological_chan_vese

from napari_densify.classical.contours import ContourParameters, Mask, contour_rule
from napari_densify.classical.task import Image, Rule, Task

__all__ = ["SEARCH", "ChanVeseParameters", "fit"]

SEARCH = {"iterations": (5, 20, 60), "smoothing": (0, 1, 2), "sigma": (1.0, 2.0)}


class ChanVeseParameters(ContourParameters):
    """Parameters of morphological Chan-Vese."""

    smoothing: int = Field(
        1, ge=0, le=4, title="Smoothness", description="Smoothing steps of each iteration"
    )
    balance: float = Field(
        1.0,
        gt=0,
        le=10,
        title="Inside against outside",
        description="Weight of the outside's evenness, the inside's being 1",
    )


def fit(task: Task, parameters: ChanVeseParameters) -> Rule:
    """Move interpolated outlines until inside and outside are as even as can be.

    References
    ----------
    Marquez-Neila et al., A morphological approach to curvature-based evolution of
    curves and surfaces, IEEE TPAMI 36, 2 (2014).
    """

    def refine(image: Image, mask: Mask) -> Mask:
        moved: Mask = morphological_chan_vese(
            image,
            parameters.iterations,
            init_level_set=mask,
            smoothing=parameters.smoothing,
            lambda2=parameters.balance,
        ).astype(bool)
        return moved

    return contour_rule(task, parameters, refine)
