"""Multiscale features: smoothed intensity, edges and Hessian eigenvalues.

The features that ilastik made familiar. Planar ones are computed slice by slice, so that
the anisotropy of a stack does not matter. Others look at the slices around: the plane is
smoothed along Z too, and edges and eigenvalues are those of all three axes, so that a
membrane is the same thing however it is cut. Forests classify them voxel by voxel; the
network gets them as input channels beside the image.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from napari_densify.classical.scale_space import Strip, plane_responses
from napari_densify.core.settings import FeatureConfig

__all__ = ["compute_features", "each_plane", "feature_halo", "feature_names", "slab_features"]


def feature_names(config: FeatureConfig) -> list[str]:
    """Names of the features, in the order of :func:`compute_features`."""
    return [
        f"{kind} {sigma:g}"
        for sigma in config.sigmas
        for kind in _responses(config, deep=config.slice_sigma(sigma) > 0)
    ]


def feature_halo(config: FeatureConfig) -> int:
    """Voxels around a plane's region that its features depend on, in Y and X."""
    return int(np.ceil(3.0 * max(config.sigmas))) + 2


def compute_features(
    image: npt.NDArray[Any],
    config: FeatureConfig | None = None,
    *,
    dtype: npt.DTypeLike = np.float32,
    threads: int | None = None,
) -> npt.NDArray[Any]:
    """Compute the features of a normalised volume.

    Derivatives are scale-normalised (Lindeberg 1998): multiplied by sigma and
    sigma squared, so that all features have comparable magnitude.

    Parameters
    ----------
    image
        ``(Z, Y, X)``, standardised intensities.
    config
        Scales (in voxels) and kinds of features.
    dtype
        Dtype of the result; float16 halves the memory of a cached volume.
    threads
        Planes computed at once; all cores by default.

    Returns
    -------
    ``(F, Z, Y, X)`` in the order of :func:`feature_names`.

    Examples
    --------
    >>> compute_features(np.zeros((1, 32, 32), np.float32)).shape
    (20, 1, 32, 32)
    """
    config = config or FeatureConfig()
    reach = config.reach
    around = np.pad(image, ((reach, reach), (0, 0), (0, 0)), mode="reflect")
    return slab_features(around, config, dtype=dtype, threads=threads)


def slab_features(
    image: npt.NDArray[Any],
    config: FeatureConfig,
    *,
    inner: tuple[slice, slice] | None = None,
    dtype: npt.DTypeLike = np.float32,
    threads: int | None = None,
) -> npt.NDArray[Any]:
    """Compute the features ``(F, Z, Y, X)`` of a slab; for the parameters see :func:`each_plane`.

    Only ``inner`` of its planes are in the result.
    """
    inner = inner or (slice(0, image.shape[1]), slice(0, image.shape[2]))
    sides = (s.stop - s.start for s in inner)
    depth = len(image) - 2 * config.reach
    out = np.empty((len(feature_names(config)), depth, *sides), dtype)

    def store(z: int, strip: Strip) -> None:
        row, top, values = strip
        out[row, z, top : top + len(values)] = values

    each_plane(image, config, store, inner=inner, threads=threads)
    return out


def each_plane(
    image: npt.NDArray[Any],
    config: FeatureConfig,
    store: Callable[[int, Strip], None],
    *,
    planes: Sequence[int] | None = None,
    inner: tuple[slice, slice] | None = None,
    threads: int | None = None,
) -> None:
    """Compute the features of each plane, and hand them over strip by strip.

    Parameters
    ----------
    image
        ``(Z + 2 * reach, Y, X)``, standardised intensities: at either end as many slices
        more as ``config`` looks at.
    config
        Scales (in voxels) and kinds of features.
    store
        Takes the number of a plane and a strip of one of its features, whose array it
        must not keep. Several threads call it, each for planes of its own.
    planes
        Numbers of the planes that are wanted, from 0 to Z; all by default.
    inner
        Rows and columns that are wanted; all by default. The others are only looked at.
    threads
        Planes computed at once; all cores by default.
    """
    inner = inner or (slice(0, image.shape[1]), slice(0, image.shape[2]))
    depth = 2 * config.reach + 1

    def fill(z: int) -> None:
        slab = image[z : z + depth].astype(np.float32, copy=False)
        for strip in plane_responses(slab, config, inner):
            store(z, strip)

    one = _libraries().limit(limits=1, user_api="blas")  # planes share the cores already
    with one, ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        list(pool.map(fill, range(len(image) - depth + 1) if planes is None else planes))


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def _responses(config: FeatureConfig, *, deep: bool) -> list[str]:
    names = {
        "intensity": ["intensity"],
        "edges": ["edge"],
        "hessian": ["hessian large", *(["hessian middle"] if deep else []), "hessian small"],
    }
    return [name for kind in config.kinds for name in names[kind]]
