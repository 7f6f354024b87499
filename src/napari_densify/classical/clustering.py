"""What clustering methods share: voxels as rows of features, clusters ordered by brightness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from napari_densify.classical.grouping import group_rule
from napari_densify.classical.source import FeatureSource
from napari_densify.classical.task import Parameters, Rule, Task
from napari_densify.core.blocks import Region
from napari_densify.core.settings import FeatureConfig

__all__ = ["ClusterParameters", "Rows", "cluster_rule", "rows_of", "sample_rows"]

Rows = Callable[[Region], npt.NDArray[np.float32]]
"""Features of the voxels of a region, ``(N, F)``."""


class ClusterParameters(Parameters):
    """Parameters of clustering."""

    features: Literal["intensity", "multiscale"] = Field(
        "intensity",
        title="Features",
        description="Smoothed intensity alone, or intensity, edges and texture at several scales",
    )
    clusters: int = Field(
        6,
        ge=2,
        le=64,
        title="Clusters",
        description="Groups that voxels are sorted into; paint then says which class each one is",
    )
    samples: int = Field(
        20_000,
        ge=500,
        le=1_000_000,
        title="Sample",
        description="Voxels that the clusters are found on",
        json_schema_extra={"unit": "voxels"},
    )
    seed: int = Field(0, ge=0, title="Seed")


def rows_of(task: Task, parameters: ClusterParameters) -> Rows:
    """Features as rows; the first column grows with intensity."""
    if parameters.features == "intensity":
        return lambda region: task.smooth(region, parameters).reshape(-1, 1)
    source = FeatureSource.of(task, FeatureConfig())

    def rows(region: Region) -> npt.NDArray[np.float32]:
        stack = source.features(region)
        return np.ascontiguousarray(stack.reshape(len(stack), -1).T)

    return rows


def sample_rows(task: Task, rows: Rows, parameters: ClusterParameters) -> npt.NDArray[np.float32]:
    """Features of voxels drawn from slices spread over the volume."""
    rng = np.random.default_rng(parameters.seed)
    z, y, x = task.volume.shape
    picks = np.unique(np.linspace(0, z - 1, 8).round().astype(int))
    samples = min(parameters.samples, 4000) if task.quick else parameters.samples
    share = max(1, samples // len(picks))
    edge = 128 if task.quick else 1024
    height, width = min(y, edge), min(x, edge)
    window = (
        slice((y - height) // 2, (y + height) // 2),
        slice((x - width) // 2, (x + width) // 2),
    )
    drawn = []
    for pick in picks:
        table = rows((slice(int(pick), int(pick) + 1), *window))
        drawn.append(table[rng.choice(len(table), min(share, len(table)), replace=False)])
    return np.concatenate(drawn)


def cluster_rule(
    task: Task,
    rows: Rows,
    predict: Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]],
    centres: npt.NDArray[Any],
) -> Rule:
    """Order clusters by the first feature of their centres, and let paint name them."""
    rank = np.argsort(np.argsort(centres[:, 0], kind="stable"), kind="stable")

    def groups(region: Region) -> npt.NDArray[Any]:
        shape = tuple(s.stop - s.start for s in region)
        numbers: npt.NDArray[Any] = rank[predict(rows(region))].reshape(shape)
        return numbers

    return group_rule(task, groups, len(centres))
