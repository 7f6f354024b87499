"""Gaussian mixture on intensity or multiscale features; components become classes by paint."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.classical.clustering import (
    ClusterParameters,
    cluster_rule,
    rows_of,
    sample_rows,
)
from napari_densify.classical.task import Rule, Task

__all__ = ["SEARCH", "GaussianMixtureParameters", "fit"]

SEARCH = {
    "features": ("intensity", "multiscale"),
    "clusters": (3, 6, 12),
    "sigma": (1.0, 2.0),
}


class GaussianMixtureParameters(ClusterParameters):
    """Parameters of the Gaussian mixture."""


def fit(task: Task, parameters: GaussianMixtureParameters) -> Rule:
    """Fit components to a sample; every voxel then belongs to the likeliest one.

    References
    ----------
    Dempster, Laird & Rubin, Maximum likelihood from incomplete data via the EM
    algorithm, J. R. Stat. Soc. B 39, 1 (1977).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    rows = rows_of(task, parameters)
    sample = sample_rows(task, rows, parameters)
    scale = np.maximum(sample.std(0), 1e-6)
    count = min(parameters.clusters, len(np.unique(sample, axis=0)))
    model = GaussianMixture(
        count,
        covariance_type="full" if sample.shape[1] == 1 else "diag",
        max_iter=60,
        reg_covar=1e-4,
        random_state=parameters.seed,
    )
    with warnings.catch_warnings():
        # Sixty iterations are enough to group voxels; the last digits of the means are not needed.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(sample / scale)

    def predict(table: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        likeliest: npt.NDArray[Any] = model.predict(table / scale)
        return likeliest

    return cluster_rule(task, rows, predict, model.means_)
