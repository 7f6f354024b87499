"""Ridge filters for lines and membranes: Sato, Frangi, Meijering."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage
from skimage import filters

from napari_densify.classical.outlines import Outlined, outline_rule
from napari_densify.classical.task import Image, Rule, Task
from napari_densify.core.base import Settings

__all__ = ["SEARCH", "RidgeParameters", "find_ridges", "fit"]

SEARCH = {
    "filter": ("sato", "meijering", "frangi"),
    "dark": (True, False),
    "quantile": (0.65, 0.75, 0.85),
}


class RidgeParameters(Settings):
    """Parameters of ridge filters, slice by slice."""

    channel: int = Field(0, ge=0, title="Channel", description="Image channel that is looked at")
    filter: Literal["sato", "frangi", "meijering"] = Field(
        "sato", title="Filter", description="How ridges are told from blobs and planes"
    )
    scales: tuple[float, ...] = Field(
        (1.0, 2.0, 3.0),
        min_length=1,
        max_length=8,
        title="Scales",
        description="Half widths of the lines that are looked for",
        json_schema_extra={"unit": "voxels"},
    )
    dark: bool = Field(True, title="Dark lines", description="Lines darker than what they part")
    quantile: float = Field(
        0.75,
        ge=0.3,
        le=0.999,
        title="Strong ridges",
        description="Part of a slice's voxels that are weaker than a ridge",
    )


def find_ridges(
    plane: Image, *, filter_name: str, scales: tuple[float, ...], dark: bool
) -> npt.NDArray[Any]:
    """Strength of ridges in a slice ``(Y, X)``, with scikit-image.

    References
    ----------
    Sato et al., Medical Image Analysis 2, 143 (1998). Frangi et al., MICCAI 1998.
    Meijering et al., Cytometry A 58, 167 (2004).
    """
    function = getattr(filters, filter_name)
    strength: npt.NDArray[Any] = function(plane, sigmas=scales, black_ridges=dark)
    return strength


def fit(task: Task, parameters: RidgeParameters) -> Rule:
    """Find ridges slice by slice; they and the regions between them are named by paint."""

    def outlined(plane: Image) -> Outlined:
        strength = find_ridges(
            plane, filter_name=parameters.filter, scales=parameters.scales, dark=parameters.dark
        )
        mask = strength > np.quantile(strength, parameters.quantile)
        smooth = ndimage.gaussian_filter(plane, 1.0)
        return Outlined(mask, (smooth, strength.astype(np.float32)), keep=True)

    return outline_rule(task, parameters.channel, outlined)
