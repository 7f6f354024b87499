"""Sparse annotations: what is painted, where, and how it gets to disk."""

from napari_densify.annotations.aids import (
    Edit,
    copy_object,
    copy_prediction,
    erase,
    fill_unlabelled,
    slice_region,
    stroke_box,
    without_slices,
)
from napari_densify.annotations.between import interpolate_between, neighbours_of
from napari_densify.annotations.painted import PaintedArray
from napari_densify.annotations.source import (
    Annotations,
    ArrayAnnotations,
    FileAnnotations,
    sum_slices,
)
from napari_densify.annotations.store import AnnotationStore

__all__ = [
    "AnnotationStore",
    "Annotations",
    "ArrayAnnotations",
    "FileAnnotations",
    "Edit",
    "PaintedArray",
    "copy_object",
    "copy_prediction",
    "erase",
    "fill_unlabelled",
    "interpolate_between",
    "neighbours_of",
    "slice_region",
    "stroke_box",
    "sum_slices",
    "without_slices",
]
