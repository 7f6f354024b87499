"""Readers and writers: any file to a Volume and back."""

from napari_densify.io.opening import (
    Description,
    describe,
    list_datasets,
    open_image,
    open_labels,
)
from napari_densify.io.sinks import Sink, create_sink, write_labels

__all__ = [
    "Description",
    "Sink",
    "create_sink",
    "describe",
    "list_datasets",
    "open_image",
    "open_labels",
    "write_labels",
]
