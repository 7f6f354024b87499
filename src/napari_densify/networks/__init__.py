"""Networks: built from a frozen configuration, saved with everything that rebuilds them."""

from napari_densify.networks.adapt import adapt_network, match_classes
from napari_densify.networks.build import build_network, count_parameters
from napari_densify.networks.checkpoint import LoadedModel, load_model, read_spec, save_model
from napari_densify.networks.committee import Committee, first_member
from napari_densify.networks.foreign import load_start
from napari_densify.networks.geometry import (
    input_shape_for,
    level_strides,
    output_shape,
    receptive_radius,
    valid_margin,
)
from napari_densify.networks.operations import has_flat_kernels
from napari_densify.networks.same_size import SameSize

__all__ = [
    "Committee",
    "LoadedModel",
    "SameSize",
    "adapt_network",
    "build_network",
    "count_parameters",
    "first_member",
    "has_flat_kernels",
    "input_shape_for",
    "level_strides",
    "load_model",
    "load_start",
    "match_classes",
    "output_shape",
    "read_spec",
    "receptive_radius",
    "save_model",
    "valid_margin",
]
