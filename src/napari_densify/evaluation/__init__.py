"""Scores on scored voxels only: overlap, boundaries, regions, objects, surfaces."""

from napari_densify.evaluation.confusion import Confusion, Rates
from napari_densify.evaluation.instances import score_instances
from napari_densify.evaluation.isbi import BoundaryScores, score_boundary_map
from napari_densify.evaluation.probability import CrossEntropy
from napari_densify.evaluation.results import ClassScore, InstanceScores, Scores, SliceScore
from napari_densify.evaluation.semantic import ScoreOptions, score_labels
from napari_densify.evaluation.surface import SurfaceDistances, surface_distances

__all__ = [
    "BoundaryScores",
    "ClassScore",
    "Confusion",
    "CrossEntropy",
    "InstanceScores",
    "Rates",
    "ScoreOptions",
    "Scores",
    "SliceScore",
    "SurfaceDistances",
    "score_boundary_map",
    "score_instances",
    "score_labels",
    "surface_distances",
]
