"""Facts of the data, measured before anything is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from napari_densify.core.events import Notice
from napari_densify.core.normalisation import Intensity
from napari_densify.core.settings import Settings, Triple
from napari_densify.core.volume import Volume
from napari_densify.inference.device import autocast_dtype

__all__ = ["Facts", "flat_notices", "gather_facts", "measure_anisotropy"]

_MAX_LAG = 32
_WINDOW = 512


class Facts(Settings):
    """What is known of the data before the training starts."""

    shape: Triple = Field(description="Shape of the first volume (Z, Y, X)")
    channels: int = Field(1, ge=1, description="Image channels that the network will see")
    anisotropy: float = Field(
        1.0, gt=0, description="Slice distance over pixel size, stated or measured"
    )
    classes: int = Field(2, ge=2)
    painted: int = Field(0, ge=0, description="Annotated voxels")
    device: str = "cpu"
    slow: bool = Field(
        False, description="Whether the device computes in float32 alone: processors without bf16"
    )
    fine: bool = Field(
        False, description="Whether cells of 2 x 2 voxels lose what tells the classes apart"
    )


def gather_facts(volumes: Sequence[Volume], counts: Mapping[int, int], device: str) -> Facts:
    """Collect what :func:`resolve_plan` needs to know."""
    first = volumes[0]
    stated = first.spacing[0] / float(np.sqrt(first.spacing[1] * first.spacing[2]))
    return Facts(
        shape=first.shape,
        channels=first.channels,
        anisotropy=stated if first.spacing_known else measure_anisotropy(first),
        classes=len(counts),
        painted=sum(counts.values()),
        device=device,
        slow=device == "cpu" and autocast_dtype(torch.device("cpu")) is None,
    )


def flat_notices(volumes: Sequence[Volume], intensities: Sequence[Intensity]) -> Iterator[Notice]:
    """Warn of images in which there is nothing to see."""
    for volume, intensity in zip(volumes, intensities, strict=True):
        if intensity.flat:
            yield Notice(
                level="warning",
                message=f"{volume.name}: one grey value only, or none that is a number: "
                "nothing can be learned from this image",
            )


def measure_anisotropy(volume: Volume) -> float:
    """Estimate slice distance over pixel size from the image itself.

    The in-plane shift whose mean squared difference equals that of neighbouring
    slices: 1 for cubic voxels, about 10 for serial sections of 50 nm at 5 nm.

    Parameters
    ----------
    volume
        Image; one window of its middle slices is read.

    Returns
    -------
    Ratio between 1 and 32; 32 if neighbouring slices have nothing in common.
    """
    if volume.shape[0] < 2:
        return 1.0
    window = _window(volume)
    across = float(np.mean((window[1:] - window[:-1]) ** 2))
    along = [_difference(window, lag) for lag in range(1, min(_MAX_LAG, min(window.shape[1:])))]
    beyond = np.flatnonzero(np.asarray(along) >= across)
    if beyond.size == 0:
        return float(_MAX_LAG)
    lag = int(beyond[0])
    if lag == 0:
        return 1.0
    return float(lag + (across - along[lag - 1]) / (along[lag] - along[lag - 1]))


def _window(volume: Volume) -> npt.NDArray[np.float64]:
    z, y, x = volume.shape
    depth = min(z, 6)
    z0, y0, x0 = (z - depth) // 2, max(0, (y - _WINDOW) // 2), max(0, (x - _WINDOW) // 2)
    box = (slice(z0, z0 + depth), slice(y0, min(y, y0 + _WINDOW)), slice(x0, min(x, x0 + _WINDOW)))
    window: npt.NDArray[np.float64] = volume.read(box)[0].astype(np.float64)
    np.nan_to_num(window, copy=False, posinf=0.0, neginf=0.0)
    return window  # float64: squares of large floats leave float32


def _difference(window: npt.NDArray[np.float64], lag: int) -> float:
    down = np.mean((window[:, lag:] - window[:, :-lag]) ** 2)
    right = np.mean((window[:, :, lag:] - window[:, :, :-lag]) ** 2)
    return float(0.5 * (down + right))
