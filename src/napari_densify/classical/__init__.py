"""Classical segmentation methods, one file each; nothing heavy is imported before it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_densify.classical.registry import METHODS, Method, get_method

if TYPE_CHECKING:
    from napari_densify.classical.run import Piece, make_task, run_method, stream_method
    from napari_densify.classical.tuning import Tuned, tune_method

__all__ = [
    "METHODS",
    "Method",
    "Piece",
    "Tuned",
    "get_method",
    "make_task",
    "run_method",
    "stream_method",
    "tune_method",
]

_LATER = {
    **dict.fromkeys(("Piece", "make_task", "run_method", "stream_method"), "run"),
    **dict.fromkeys(("Tuned", "tune_method"), "tuning"),
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        module = import_module(f"{__name__}.{_LATER[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
