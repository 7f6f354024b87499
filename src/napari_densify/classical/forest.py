"""Random forest (or boosted trees) on multiscale planar features, as ilastik made familiar."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from napari_densify.classical.source import FeatureSource
from napari_densify.classical.task import Labels, Rule, Task
from napari_densify.core.base import Settings
from napari_densify.core.blocks import Region
from napari_densify.core.settings import FeatureConfig

__all__ = ["SEARCH", "ForestParameters", "fit", "sample_paint"]

_SLAB = 16
# Largest standard deviation of features in 3D along Z, in slices.
_DEPTH = 4.0

_Sample = dict[int, npt.NDArray[np.float32]]
"""Features ``(N, F)`` of painted voxels by class code."""

SEARCH = {"balance": (0.25, 0.5, 0.75), "leaf": (2, 4, 10)}


class ForestParameters(Settings):
    """Parameters of the forest."""

    classifier: Literal["forest", "boosting"] = Field(
        "forest",
        title="Classifier",
        description="Random forest of extremely randomised trees, or gradient boosting",
    )
    trees: int = Field(60, ge=5, le=500, title="Trees", description="Trees, or boosting rounds")
    samples: int = Field(
        40_000,
        ge=100,
        le=2_000_000,
        title="Training voxels",
        description="Painted voxels learned from, spread over classes",
        json_schema_extra={"unit": "voxels"},
    )
    leaf: int = Field(
        4, ge=1, le=200, title="Smallest leaf", description="Training voxels in a leaf, at least"
    )
    balance: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Class balance",
        description="0: classes count as often as painted; 1: all classes count the same",
    )
    stride: int = Field(
        2,
        ge=1,
        le=4,
        title="Stride",
        description="Probabilities are computed at every so many voxels in Y and X and "
        "interpolated between them; 1: at every voxel, exact",
        json_schema_extra={"unit": "voxels"},
    )
    features: Literal["2d", "3d"] = Field(
        "2d",
        title="Features",
        description="Of each slice by itself, or along all three axes by the voxel size (slower; "
        "mostly better where slices are close)",
    )
    sigmas: tuple[float, ...] = Field(
        FeatureConfig().sigmas,
        title="Scales",
        description="Standard deviations of the Gaussians along X",
        json_schema_extra={"unit": "voxels"},
    )
    seed: int = Field(0, ge=0, title="Seed")


def fit(task: Task, parameters: ForestParameters) -> Rule:
    """Train on painted voxels; voxels of any region are then classified by their features.

    References
    ----------
    Geurts et al., Extremely randomized trees, Machine Learning 63, 3 (2006).
    Berg et al., ilastik: interactive machine learning for (bio)image analysis,
    Nature Methods 16, 1226 (2019).
    """
    task.require_paint()
    source = FeatureSource.of(task, _features(task, parameters))
    features, labels = sample_paint(source.features, task, parameters)
    model = _classifier(parameters)
    model.fit(features, labels, sample_weight=_weights(labels, parameters.balance))
    codes = np.asarray(model.classes_).astype(task.dtype)

    def rule(region: Region) -> Labels:
        z, y, x = region
        out = np.empty([s.stop - s.start for s in region], task.dtype)
        # Features in 3D share their surroundings: several slices at once.
        step = 1 if source.config.planar else _SLAB
        for start in range(z.start, z.stop, step):
            slab = slice(start, min(start + step, z.stop))
            found = _classify(model, source, (slab, y, x), parameters.stride)
            out[slab.start - z.start : slab.stop - z.start] = codes[found]
        return out

    return rule


def _features(task: Task, parameters: ForestParameters) -> FeatureConfig:
    z, _, x = task.volume.spacing
    if parameters.features == "2d":
        return FeatureConfig(sigmas=parameters.sigmas)
    return FeatureConfig(sigmas=parameters.sigmas, depth=_DEPTH, anisotropy=z / x)


def sample_paint(
    features: Any, task: Task, parameters: ForestParameters
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Draw painted voxels, at most an even share of each class and slice, with features.

    Returns
    -------
    ``(N, F)`` features and ``(N,)`` class codes.
    """
    paint = task.require_paint()
    share = max(1, parameters.samples // (len(paint.values) * len(paint.slices)))
    rows, codes = [], []
    for box in task.boxes():
        for value, found in _sampled(features, task, parameters, box).items():
            rows.append(found[:share])
            codes.append(np.full(len(rows[-1]), value))
    return np.ascontiguousarray(np.concatenate(rows)), np.concatenate(codes)


def _sampled(features: Any, task: Task, parameters: ForestParameters, box: Region) -> _Sample:
    """Features of painted voxels of one slice by class, in an order drawn by the seed.

    A worker that trains again and again remembers them: features are computed for slices
    with new paint alone, whatever share of a slice is used.
    """
    labels = task.require_paint().read(box)
    chosen = (parameters.features, parameters.sigmas, parameters.samples, parameters.seed)
    what = (str(box), labels.tobytes(), chosen)
    key = ("forest", task.identity, hash(what))
    if key not in task.memory:
        task.memory[key] = _draw(features(box), labels.ravel(), task, parameters, box[0].start)
    sample: _Sample = task.memory[key]
    return sample


def _draw(
    stack: npt.NDArray[Any], labels: Labels, task: Task, parameters: ForestParameters, z: int
) -> _Sample:
    stack = stack.reshape(len(stack), -1)
    most = max(1, parameters.samples // max(2, len(task.classes)))
    drawn = {}
    for number, value in enumerate(task.classes):
        rng = np.random.default_rng((parameters.seed, z, number))
        found = rng.permutation(np.flatnonzero(labels == value))[:most]
        drawn[value] = np.ascontiguousarray(stack[:, found].T)
    return drawn


def _weights(labels: npt.NDArray[np.int64], balance: float) -> npt.NDArray[Any]:
    counts = np.bincount(labels).astype(float)
    weights: npt.NDArray[Any] = (counts[labels] / counts.max()) ** -balance
    return weights


def _classifier(parameters: ForestParameters) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

    if parameters.classifier == "boosting":
        return HistGradientBoostingClassifier(
            max_iter=parameters.trees,
            min_samples_leaf=parameters.leaf,
            early_stopping=False,
            random_state=parameters.seed,
        )
    return ExtraTreesClassifier(
        n_estimators=parameters.trees,
        min_samples_leaf=parameters.leaf,
        max_features=0.5,
        n_jobs=-1,
        random_state=parameters.seed,
    )


def _classify(model: Any, source: FeatureSource, box: Region, stride: int) -> npt.NDArray[np.int64]:
    """Class index of each voxel of a few slices, ``(Z, Y, X)``."""
    z, y, x = box
    # The coarse grid is anchored at the volume's origin, so that blocks agree at their seams.
    ys, xs = (
        (s.start // stride * stride, min(-(-(s.stop - 1) // stride) * stride + 1, n))
        for s, n in zip((y, x), source.task.volume.shape[1:], strict=True)
    )
    stack = _features_of(source, (z, slice(*ys), slice(*xs)))
    coarse = stack[..., ::stride, ::stride]
    table = np.ascontiguousarray(coarse.reshape(len(coarse), -1).T)
    probabilities = model.predict_proba(table).reshape(*coarse.shape[1:], -1)
    if stride == 1:
        best: npt.NDArray[np.int64] = probabilities.argmax(-1)
        return best
    shape = (y.stop - ys[0], x.stop - xs[0])
    fine = np.stack([_enlarge(plane, stride, shape).argmax(-1) for plane in probabilities])
    inside: npt.NDArray[np.int64] = fine[:, y.start - ys[0] :, x.start - xs[0] :]
    return inside


def _features_of(source: FeatureSource, box: Region) -> npt.NDArray[np.float32]:
    """Features ``(F, Z, Y, X)`` of slices; a preview remembers those of the last one."""
    task = source.task
    key = (task.identity, str(box), source.config)
    if task.quick and task.memory.get("forest plane", (None,))[0] == key:
        remembered: npt.NDArray[np.float32] = task.memory["forest plane"][1]
        return remembered
    stack = source.features(box)
    if task.quick:
        task.memory["forest plane"] = (key, stack)
    return stack


def _enlarge(
    probabilities: npt.NDArray[Any], stride: int, shape: tuple[int, int]
) -> npt.NDArray[Any]:
    """Interpolate linearly from every ``stride``-th voxel to all of them, ``(Y, X, K)``."""
    rows, columns = (np.arange(n) / stride for n in shape)
    grid = np.meshgrid(rows, columns, indexing="ij")
    layers = [
        ndimage.map_coordinates(probabilities[..., k], grid, order=1, mode="nearest")
        for k in range(probabilities.shape[-1])
    ]
    return np.stack(layers, axis=-1)
