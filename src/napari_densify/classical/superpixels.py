"""SLIC superpixels: small regions of similar intensity, named by paint."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from pydantic import Field
from scipy import ndimage
from skimage.segmentation import slic

from napari_densify.classical.regions import classify_regions
from napari_densify.classical.task import Image, Labels, Parameters, Task, smoothing_sigmas
from napari_densify.core.volume import Spacing

__all__ = ["SEARCH", "SuperpixelParameters", "divide", "solve", "superpixels"]

SEARCH = {"size": (200, 800, 3000), "compactness": (0.02, 0.1, 0.5), "sigma": (0.5, 1.5)}


class SuperpixelParameters(Parameters):
    """Parameters of SLIC."""

    size: int = Field(
        600,
        ge=8,
        le=1_000_000,
        title="Size",
        description="Voxels in a superpixel, about",
        json_schema_extra={"unit": "voxels"},
    )
    compactness: float = Field(
        0.1,
        gt=0,
        le=100,
        title="Compactness",
        description="Greater values make superpixels more even in shape",
    )


def superpixels(
    image: Image, *, size: int, compactness: float, spacing: Spacing
) -> npt.NDArray[Any]:
    """Find superpixels, numbered from 1, with scikit-image; intensities are scaled to 0..1.

    References
    ----------
    Achanta et al., SLIC superpixels compared to state-of-the-art superpixel methods,
    IEEE TPAMI 34, 2274 (2012).
    """
    low, high = float(image.min()), float(image.max())
    scaled = (image - low) / max(high - low, 1e-6)
    relative = tuple(s / min(spacing) for s in spacing)
    numbers: npt.NDArray[Any] = slic(
        scaled,
        n_segments=max(1, image.size // size),
        compactness=compactness,
        max_num_iter=5,
        spacing=relative,
        channel_axis=None,
        start_label=1,
        # Parts are not joined afterwards: on anisotropic volumes that merges most of them.
        enforce_connectivity=False,
    )
    return numbers


def solve(task: Task, parameters: SuperpixelParameters) -> Labels:
    """Give every voxel the class of its superpixel."""
    numbers, codes = divide(task, parameters)
    labels: Labels = codes[numbers]
    return labels


def divide(task: Task, parameters: SuperpixelParameters) -> tuple[npt.NDArray[Any], Labels]:
    """Name superpixels by their paint, or by those most like them at three scales.

    Returns
    -------
    Number of each voxel's superpixel, and the class code of each number.
    """
    image = task.smooth(task.region, parameters)
    spacing = task.volume.spacing
    regions = superpixels(
        image, size=parameters.size, compactness=parameters.compactness, spacing=spacing
    )
    wide = ndimage.gaussian_filter(image, smoothing_sigmas(4.0, spacing))
    return classify_regions(task, regions, image, wide)
