"""Sparse annotations: what is painted, where, and how it gets to disk."""

from napari_densify.annotations.aids import (
    Edit,
    copy_object,
    copy_prediction,
    erase,
    fill_unlabelled,
    slice_region,
)
from napari_densify.annotations.coverage import (
    ClassCoverage,
    Coverage,
    measure_coverage,
    widest_gaps,
)
from napari_densify.annotations.painted import PaintedArray
from napari_densify.annotations.source import Annotations, ArrayAnnotations
from napari_densify.annotations.store import AnnotationStore

__all__ = [
    "AnnotationStore",
    "Annotations",
    "ArrayAnnotations",
    "ClassCoverage",
    "Coverage",
    "Edit",
    "PaintedArray",
    "copy_object",
    "copy_prediction",
    "erase",
    "fill_unlabelled",
    "measure_coverage",
    "slice_region",
    "widest_gaps",
]
