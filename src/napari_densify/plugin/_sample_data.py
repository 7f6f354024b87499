"""The bundled volumes in napari's File > Open Sample menu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tifffile

from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import AXES
from napari_densify.data import SampleFiles, sample_files
from napari_densify.plugin.candidates import CLASSES, PAINT
from napari_densify.plugin.layers import NM, class_colormap

__all__ = ["open_fibsem", "open_nuclei"]

LayerData = tuple[Any, dict[str, Any], str]


def open_fibsem() -> list[LayerData]:
    """FIB-SEM volume, sparse annotation and (hidden) truth."""
    return _layers(sample_files("fibsem"))


def open_nuclei() -> list[LayerData]:
    """Confocal volume of nuclei, sparse annotation and (hidden) truth and instances."""
    return _layers(sample_files("nuclei"))


def _layers(files: SampleFiles) -> list[LayerData]:
    place = {"scale": files.spacing, "units": NM, "axis_labels": AXES}
    classes = files.classes.model_dump(mode="json")
    metadata = {"source": str(files.image), CLASSES: classes, PAINT: str(files.annotations)}
    image = (
        tifffile.imread(files.image),
        {"name": files.title, "metadata": metadata, **place},
        "image",
    )
    layers = [
        image,
        _labels(files.annotations, f"{files.name} annotations", files.classes, place, dense=False),
        _labels(files.truth, f"{files.name} truth", files.classes, place, dense=True),
    ]
    if files.instances is not None:
        attributes = {"name": f"{files.name} instances", "visible": False, **place}
        layers.append((tifffile.imread(files.instances), attributes, "labels"))
    return layers


def _labels(
    path: Path, name: str, classes: ClassTable, place: dict[str, Any], *, dense: bool
) -> LayerData:
    attributes = {
        "name": name,
        "metadata": {} if dense else {PAINT: str(path)},
        "colormap": class_colormap(classes, dense=dense),
        "visible": not dense,
        **place,
    }
    return tifffile.imread(path), attributes, "labels"
