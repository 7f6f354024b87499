"""``evaluate``: one prediction against a truth, on voxels that were not trained on."""

from __future__ import annotations

from collections.abc import Iterator

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event
from napari_densify.core.requests import EvaluateRequest
from napari_densify.core.volume import Volume
from napari_densify.engine.sources import open_label_volume

__all__ = ["run"]


def run(request: EvaluateRequest, control: JobControl) -> Iterator[Event]:
    """Score class labels, or object ids with ``instances``."""
    names = {
        "prediction": request.prediction,
        "truth": request.truth,
        "annotations": request.annotations,
        "mask": request.mask,
    }
    opened = {role: open_label_volume(name) for role, name in names.items() if name}
    try:
        result = _score(request, opened)
    except InputError as error:
        # Scoring names the part that an array plays; the user knows it by its file.
        where = names.get(error.where) or error.where
        raise InputError(error.what, where=where, mend=error.mend) from None
    yield Done(result=result)


def _score(request: EvaluateRequest, opened: dict[str, Volume]) -> dict[str, object]:
    from napari_densify.evaluation import score_instances, score_labels

    prediction, truth = opened["prediction"], opened["truth"]
    exclude, mask = opened.get("annotations"), opened.get("mask")
    if request.instances:
        objects = score_instances(prediction, truth, exclude=exclude, mask=mask)
        return {**objects.model_dump(mode="json"), "table": objects.table()}
    spacing = truth.spacing if truth.spacing_known else prediction.spacing
    own = prediction.metadata.get("classes")
    tables = (volume.metadata.get("classes") for volume in (prediction, truth, exclude) if volume)
    scores = score_labels(
        prediction,
        truth,
        classes=next((table for table in tables if table), None),
        exclude=exclude,
        mask=mask,
        zero=request.zero,
        partial=own is not None and own.background is not None,
        spacing=spacing,
    )
    return {**scores.model_dump(mode="json"), "table": scores.table()}
