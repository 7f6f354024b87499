"""k-means on intensity or multiscale features; clusters become classes by paint."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from napari_densify.classical.clustering import (
    ClusterParameters,
    cluster_rule,
    rows_of,
    sample_rows,
)
from napari_densify.classical.task import Rule, Task

__all__ = ["SEARCH", "KMeansParameters", "fit"]

SEARCH = {
    "features": ("intensity", "multiscale"),
    "clusters": (4, 8, 16, 32),
    "sigma": (1.0, 2.0),
}


class KMeansParameters(ClusterParameters):
    """Parameters of k-means."""

    mini_batch: bool = Field(
        False, title="Mini-batch", description="Faster, from small batches of the sample"
    )


def fit(task: Task, parameters: KMeansParameters) -> Rule:
    """Find clusters on a sample; every voxel then belongs to the nearest centre.

    References
    ----------
    Lloyd, Least squares quantization in PCM, IEEE TIT 28, 129 (1982). Sculley, Web-scale
    k-means clustering, WWW 2010.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    rows = rows_of(task, parameters)
    sample = sample_rows(task, rows, parameters)
    scale = np.maximum(sample.std(0), 1e-6)
    count = min(parameters.clusters, len(np.unique(sample, axis=0)))
    options: dict[str, Any] = {"n_clusters": count, "random_state": parameters.seed}
    model = (
        MiniBatchKMeans(n_init=3, **options)
        if parameters.mini_batch
        else KMeans(n_init=2, **options)
    )
    model.fit(sample / scale)

    def predict(table: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        nearest: npt.NDArray[Any] = model.predict(table / scale)
        return nearest

    return cluster_rule(task, rows, predict, model.cluster_centers_)
