"""From voxels to the network's input, the same way in training and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from napari_densify.classical.features import each_plane, feature_names
from napari_densify.classical.scale_space import Strip
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import Intensity, normalise
from napari_densify.core.settings import FeatureConfig, Triple

__all__ = [
    "Encoded",
    "class_scores",
    "encode",
    "feature_bank",
    "fine_logits",
    "input_channels",
    "network_input",
    "pad_to_cells",
    "scale_features",
    "spec_logits",
    "standardise",
]


class Encoded:
    """A piece of a volume, ready for the network but not yet mixed into channels.

    Attributes
    ----------
    image
        ``(C, Z, Y, X)`` standardised intensities at full resolution.
    features
        ``(F, z, y, x)`` on the working grid; None if the model uses none.
    """

    __slots__ = ("features", "image")

    def __init__(self, image: torch.Tensor, features: torch.Tensor | None) -> None:
        self.image = image
        self.features = features


def input_channels(
    image_channels: int,
    factor: Triple,
    subvoxel: bool,
    features: FeatureConfig | None,
    neighbours: int = 0,
) -> int:
    """Channels that :func:`network_input` makes of an image."""
    cells = int(np.prod(factor)) if subvoxel else 1
    per_channel = len(feature_names(features)) if features else 0
    return image_channels * (cells * (2 * neighbours + 1) + per_channel)


def pad_to_cells(image: npt.NDArray[Any], factor: Triple) -> npt.NDArray[Any]:
    """Extend ``(..., Z, Y, X)`` at the far ends to whole working cells."""
    spare = [(-n) % f for n, f in zip(image.shape[-3:], factor, strict=True)]
    if not any(spare):
        return image
    widths = [(0, 0)] * (image.ndim - 3) + [(0, n) for n in spare]
    return np.pad(image, widths, mode="edge")


def encode(
    image: npt.NDArray[Any],
    intensity: Intensity,
    *,
    factor: Triple,
    features: FeatureConfig | None,
    slices: npt.NDArray[np.bool_] | None = None,
    threads: int | None = None,
) -> Encoded:
    """Normalise a read region and compute its features.

    Parameters
    ----------
    image
        ``(C, Z, Y, X)`` raw voxels; the region starts on a working cell. At either end
        as many working slices more as ``features`` look at: they are not part of the result.
    intensity
        What the whole volume was measured to be (not the region: then tiles agree).
    factor
        Working cell (Z, Y, X) in voxels.
    features
        Features to compute on the working grid.
    slices
        ``(z,)`` working slices whose features are wanted; the others stay 0.
    threads
        CPU threads for the features.
    """
    voxels = standardise(image, intensity, factor)
    bank = feature_bank(voxels, factor, features, slices, threads) if features else None
    beyond = features.reach * factor[0] if features else 0
    own = voxels[:, beyond : voxels.shape[1] - beyond]
    return Encoded(torch.from_numpy(own).half(), bank)


def standardise(
    image: npt.NDArray[Any], intensity: Intensity, factor: Triple
) -> npt.NDArray[np.float32]:
    """Normalise ``(C, Z, Y, X)`` voxels and extend them to whole working cells."""
    return pad_to_cells(normalise(image, intensity), factor)


def feature_bank(
    voxels: npt.NDArray[np.float32],
    factor: Triple,
    features: FeatureConfig,
    slices: npt.NDArray[np.bool_] | None = None,
    threads: int | None = None,
    *,
    inner: tuple[slice, slice] | None = None,
    scale: tuple[Sequence[float], Sequence[float]] | None = None,
) -> torch.Tensor:
    """Features ``(F, z, y, x)`` float16 of standardised voxels; see :func:`encode`.

    Parameters
    ----------
    slices
        Which of the ``z`` working slices are wanted; the others stay 0.
    inner
        Rows and columns of the working grid that are wanted; all by default.
    scale
        Offset and gain of each feature, as in :func:`scale_features`.
    """
    coarse = _cell_means(voxels, factor)
    depth, (height, width) = coarse.shape[1] - 2 * features.reach, coarse.shape[2:]
    inner = inner or (slice(0, height), slice(0, width))
    wanted = np.arange(depth) if slices is None else np.flatnonzero(slices)
    rows = len(feature_names(features))
    shape = (len(coarse) * rows, depth, *(s.stop - s.start for s in inner))
    bank = torch.empty(shape, dtype=torch.float16)
    if len(wanted) < depth:
        bank.zero_()
    for number, channel in enumerate(coarse):
        first = number * rows

        def store(z: int, strip: Strip, first: int = first) -> None:
            row, top, values = first + strip[0], strip[1], torch.from_numpy(strip[2])
            if scale is not None:
                values = _scaled(values, scale[0][row], scale[1][row])
            bank[row, z, top : top + len(values)] = values

        each_plane(channel, features, store, planes=wanted.tolist(), inner=inner, threads=threads)
    return bank


def _scaled(values: torch.Tensor, offset: float, gain: float) -> torch.Tensor:
    return (values - offset).mul_(gain).clamp_(-20, 20)


def scale_features(
    features: torch.Tensor, offset: Sequence[float], gain: Sequence[float]
) -> torch.Tensor:
    """Standardise ``(F, z, y, x)`` features by what they were in training, in place."""
    for row, (o, g) in enumerate(zip(offset, gain, strict=True)):
        features[row] = _scaled(features[row].float(), o, g)
    return features


def network_input(
    image: torch.Tensor,
    features: torch.Tensor | None,
    factor: Triple,
    subvoxel: bool,
    neighbours: int = 0,
    step: int = 1,
) -> torch.Tensor:
    """Mix image and features into channels on the working grid.

    Parameters
    ----------
    image
        ``(N, C, Z, Y, X)`` at full resolution, whole working cells; deeper than the
        result by ``neighbours * step`` cells at either end.
    features
        ``(N, F, z, y, x)`` on the working grid, or None.
    factor
        Working cell (Z, Y, X) in voxels.
    subvoxel
        Keep each voxel of a cell as a channel of its own instead of their mean.
    neighbours
        Slices on either side that become channels (2.5D).
    step
        Slices from one of them to the next.

    Returns
    -------
    ``(N, channels, z, y, x)`` in the dtype of ``image``.
    """
    n, c, z, y, x = image.shape
    fz, fy, fx = factor
    cells = image.reshape(n, c, z // fz, fz, y // fy, fy, x // fx, fx)
    if subvoxel:
        mixed = cells.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(
            n, c * fz * fy * fx, z // fz, y // fy, x // fx
        )
    else:
        mixed = cells.float().mean((3, 5, 7)).to(image.dtype)
    depth = mixed.shape[2] - 2 * neighbours * step
    slices = [mixed.narrow(2, i * step, depth) for i in range(2 * neighbours + 1)]
    parts = slices if features is None else [*slices, features]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def fine_logits(logits: torch.Tensor, factor: Triple, classes: int) -> torch.Tensor:
    """Undo the channel mixing: ``(N, K*cells, z, y, x)`` to ``(N, K, Z, Y, X)``."""
    fz, fy, fx = factor
    n, _, z, y, x = logits.shape
    cells = logits.reshape(n, classes, fz, fy, fx, z, y, x)
    return cells.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(n, classes, z * fz, y * fy, x * fx)


def spec_logits(raw: torch.Tensor, spec: ModelSpec) -> torch.Tensor:
    """Logits at full resolution from a network's output on the working grid."""
    classes = len(spec.classes)
    if spec.subvoxel:
        return fine_logits(raw, spec.working_factor, classes)
    if spec.working_factor == (1, 1, 1):
        return raw
    scale = tuple(float(f) for f in spec.working_factor)
    return torch.nn.functional.interpolate(raw, scale_factor=scale, mode="trilinear")


def class_scores(logits: torch.Tensor, spec: ModelSpec) -> torch.Tensor:
    """Class probabilities ``(N, K, Z, Y, X)``; those of sigmoid heads are made to sum to 1."""
    # Of a sigmoid head: sigmoids over their sum, also where all of them are next to 0.
    scores = logits if spec.network.head == "softmax" else F.logsigmoid(logits)
    if spec.class_shift:
        scores = scores + scores.new_tensor(spec.class_shift).view(1, -1, 1, 1, 1)
    return torch.softmax(scores, 1)


def _cell_means(image: npt.NDArray[np.float32], factor: Triple) -> npt.NDArray[np.float32]:
    if factor == (1, 1, 1):
        return image
    c, z, y, x = image.shape
    fz, fy, fx = factor
    cells = image.reshape(c, z // fz, fz, y // fy, fy, x // fx, fx)
    means: npt.NDArray[np.float32] = cells.mean((2, 4, 6))
    return means
