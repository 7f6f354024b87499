"""``sketch``: what is on screen, labelled by a quick forest from the strokes so far."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_densify.core.control import JobControl
from napari_densify.core.events import Done, Event
from napari_densify.core.requests import SketchRequest
from napari_densify.engine.sources import open_painted

if TYPE_CHECKING:
    from napari_densify.training.sketch import Sketcher

__all__ = ["run"]

# What the last sketch read serves the next one: only paint has changed.
_kept: dict[str, Sketcher] = {}


def run(request: SketchRequest, control: JobControl) -> Iterator[Event]:
    """Learn the strokes of a project and label a region of it."""
    from napari_densify.training import TrainingSource
    from napari_densify.training.sketch import Sketcher, painted_classes

    painted = open_painted(request.project, "")
    source = TrainingSource(painted.volume, painted.annotations)
    settings = request.settings.model_copy(update={"held_out": painted.held_out})
    table = painted_classes(source, painted.classes, painted.held_out)
    image = f"{painted.volume.source} {painted.volume.shape} {painted.volume.spacing}"
    key = f"{request.project} {image} {settings.model_dump_json()} {table.model_dump_json()}"
    if key not in _kept:
        _kept.clear()
        preview = Path(request.project) / "preview.zarr"
        _kept[key] = Sketcher(source, settings, table, preview)
    z, y, x = (slice(*side) for side in request.region)
    control.view, control.view_generation = (z, y, x), request.generation
    yield from _kept[key].answer(control)
    yield Done(result={"seconds": round(control.elapsed(), 2)}, stopped=control.stop)
