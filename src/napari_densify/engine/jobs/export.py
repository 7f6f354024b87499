"""``export``: a bioimage.io package of a model."""

from __future__ import annotations

from collections.abc import Iterator

from napari_densify.core.control import JobControl
from napari_densify.core.events import Done, Event
from napari_densify.core.requests import ExportRequest
from napari_densify.engine.outputs import require_writable

__all__ = ["run"]


def run(request: ExportRequest, control: JobControl) -> Iterator[Event]:
    """Write the package; nothing stands under its name before it is complete."""
    from napari_densify.inference.export import export_package
    from napari_densify.networks import load_model

    target = require_writable(request.output, suffixes=(".zip",), inputs=[request.model])
    export_package(load_model(request.model), target)
    yield Done(result={"output": str(target)})
