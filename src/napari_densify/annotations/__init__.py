"""Sparse annotations: what is painted, where, and how it gets to disk."""

from napari_densify.annotations.source import Annotations, ArrayAnnotations

__all__ = ["Annotations", "ArrayAnnotations"]
