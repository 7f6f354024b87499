"""Classical segmentation methods, one file each; nothing heavy is imported before it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_densify.classical.registry import METHODS, Method, get_method

if TYPE_CHECKING:
    from napari_densify.classical.instances import InstanceParameters, label_objects
    from napari_densify.classical.preview import preview_slice
    from napari_densify.classical.run import (
        Piece,
        make_task,
        run_method,
        run_objects,
        stream_method,
    )
    from napari_densify.classical.tuning import Trial, Tuned, search_parameters, tune_method

__all__ = [
    "METHODS",
    "InstanceParameters",
    "Method",
    "Piece",
    "Trial",
    "Tuned",
    "get_method",
    "label_objects",
    "make_task",
    "preview_slice",
    "run_method",
    "run_objects",
    "search_parameters",
    "stream_method",
    "tune_method",
]

_LATER = {
    **dict.fromkeys(("Piece", "make_task", "run_method", "run_objects", "stream_method"), "run"),
    **dict.fromkeys(("Trial", "Tuned", "search_parameters", "tune_method"), "tuning"),
    **dict.fromkeys(("InstanceParameters", "label_objects"), "instances"),
    "preview_slice": "preview",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        module = import_module(f"{__name__}.{_LATER[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
