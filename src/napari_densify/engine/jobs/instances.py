"""``instances``: one id for each object of a prediction."""

from __future__ import annotations

from collections.abc import Iterator

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, LayerUpdated, Progress
from napari_densify.core.requests import InstancesRequest
from napari_densify.core.settings import apply_overrides
from napari_densify.engine.outputs import require_label_file
from napari_densify.engine.sources import open_label_volume

__all__ = ["run"]


def run(request: InstancesRequest, control: JobControl) -> Iterator[Event]:
    """Read the prediction, separate its objects, write their ids."""
    from napari_densify.classical.instances import InstanceParameters, label_objects
    from napari_densify.io import write_labels

    inputs = [request.prediction]
    target = require_label_file(request.output, inputs=inputs)
    parameters = apply_overrides(InstanceParameters(), request.parameters)
    volume = open_label_volume(request.prediction)
    yield Progress(done=0, total=1, message="separating objects")
    try:
        ids = label_objects(
            volume.read_labels(),
            classes=volume.metadata.get("classes"),
            spacing=volume.spacing,
            parameters=parameters,
        )
    except InputError as error:
        raise InputError(error.what, where=request.prediction, mend=error.mend) from None
    write_labels(target, ids, spacing=volume.spacing, spacing_known=volume.spacing_known)
    yield LayerUpdated(path=str(target), name=target.stem, role="instances", final=True)
    yield Done(result={"output": str(target), "objects": int(ids.max())})
