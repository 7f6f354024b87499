"""Sparse annotations: what is painted, where, and how it gets to disk."""

from napari_densify.annotations.painted import PaintedArray
from napari_densify.annotations.source import Annotations, ArrayAnnotations
from napari_densify.annotations.store import AnnotationStore

__all__ = ["AnnotationStore", "Annotations", "ArrayAnnotations", "PaintedArray"]
