"""Methods and networks scored side by side, with a report."""

from napari_densify.comparison.entries import CompareOptions, Entry, ModelPrediction, Provenance
from napari_densify.comparison.heldout import SlicesOf, choose_held_out, painted_slices
from napari_densify.comparison.run import compare, resolve_methods, trials

__all__ = [
    "CompareOptions",
    "Entry",
    "ModelPrediction",
    "Provenance",
    "SlicesOf",
    "choose_held_out",
    "compare",
    "painted_slices",
    "resolve_methods",
    "trials",
]
