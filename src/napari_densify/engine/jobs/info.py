"""``info``: shape, dtype, voxel size, chunks; memory and time estimate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event
from napari_densify.core.requests import InfoRequest
from napari_densify.core.volume import Volume
from napari_densify.engine.checks import physical_memory
from napari_densify.engine.estimate import estimate_prediction, reading_speed
from napari_densify.engine.sources import is_project, open_volume

__all__ = ["run"]

_TOLD = ("format", "axes", "levels", "channel_names", "notes")


def run(request: InfoRequest, control: JobControl) -> Iterator[Event]:
    """Describe a volume; try out a small part of it for the estimates."""
    if request.methods:
        yield Done(result={"image": request.image, "methods": _methods(request.image)})
        return
    volume = open_volume(request.image, spacing=request.spacing, level=request.level)
    speed = reading_speed(volume)
    prediction = estimate_prediction(volume, ahead=request.ahead)
    training = prediction.pop("train")
    yield Done(
        result={
            "image": request.image,
            "name": volume.name,
            "shape": list(volume.shape),
            "channels": volume.channels,
            "dtype": str(volume.dtype),
            "spacing_nm": list(volume.spacing),
            "spacing_known": volume.spacing_known,
            "chunks": list(volume.chunks) if volume.chunks else None,
            "memory": {**_memory(volume), "predict_bytes": prediction.pop("predict_bytes")},
            "estimate": {
                "read_mvoxel_per_s": round(speed / 1e6, 1),
                "read_s": round(math.prod(volume.shape) / speed, 2),
                **prediction,
                "train": training.model_dump(mode="json"),
                "train_text": training.describe(),
            },
            **_beside(request.image),
            **{key: volume.metadata[key] for key in _TOLD if volume.metadata.get(key)},
        }
    )


def _beside(address: str) -> dict[str, str]:
    """Labels that lie beside an image, to be named as its annotations."""
    from napari_densify.io import find_labels

    labels = "" if is_project(address) else find_labels(address)
    return {"labels": labels} if labels else {}


def _methods(address: str) -> str:
    """Write down for a paper what a project knows."""
    if not is_project(address):
        raise InputError("is not a project", where=address, mend="--methods needs NAME.densify")
    from napari_densify.project import Project

    return Project.open(address, read_only=True).export_methods()


def _memory(volume: Volume) -> dict[str, Any]:
    """Bytes of the image and of its labels, uncompressed, and what the machine has."""
    voxels = math.prod(volume.shape)
    return {
        "image_bytes": voxels * volume.channels * volume.dtype.itemsize,
        "labels_bytes": voxels,
        "machine_bytes": physical_memory(),
    }
