"""``predict``: dense labels of one or many volumes."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_densify.core.blocks import parse_region
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, Failed, LayerUpdated, Log, Notice, Progress
from napari_densify.core.files import atomic_write_json
from napari_densify.core.fingerprint import checksum
from napari_densify.core.labels import label_dtype
from napari_densify.core.model import ModelSpec
from napari_densify.core.requests import PredictRequest
from napari_densify.core.settings import Triple
from napari_densify.core.volume import Volume
from napari_densify.engine.failures import failure
from napari_densify.engine.fitting import fit
from napari_densify.engine.many import expand_images, output_names
from napari_densify.engine.outputs import require_label_file
from napari_densify.engine.sources import open_volume

if TYPE_CHECKING:
    from napari_densify.io import Sink
    from napari_densify.networks import LoadedModel

__all__ = ["run"]

Role = Literal["labels", "probabilities", "uncertainty"]

# A growing zarr is shown again after this time; more often the viewer only reads.
_SHOW_EVERY_S = 1.0


@dataclass(frozen=True)
class Target:
    """Where the results of one image go."""

    image: str
    labels: Path
    probabilities: Path | None = None
    uncertainty: Path | None = None

    @property
    def paths(self) -> dict[Role, Path]:
        """Files by what they hold."""
        files: dict[Role, Path | None] = {
            "labels": self.labels,
            "probabilities": self.probabilities,
            "uncertainty": self.uncertainty,
        }
        return {role: path for role, path in files.items() if path is not None}


def run(request: PredictRequest, control: JobControl) -> Iterator[Event]:
    """Predict every volume; a broken one is reported and the next one goes on."""
    from napari_densify.inference.device import select_device
    from napari_densify.networks import load_model

    targets = _targets(request)
    select_device(request.settings.device)
    model = load_model(request.model)
    rows: list[dict[str, Any]] = []
    for number, target in enumerate(targets, start=1):
        if control.stop:
            break
        if len(targets) > 1:
            yield Log(message=f"{number} of {len(targets)}: {target.image}")
        start = time.monotonic()
        try:
            yield from _predict_one(request, model, target, control)
            error: dict[str, Any] = {}
        except Exception as trouble:
            if len(targets) == 1:
                raise
            error = _trouble(trouble)
            yield Notice(level="warning", message=f"{target.image}: {error['error']}")
        rows.append(_row(target, time.monotonic() - start, error))
    yield from _end(targets, rows, stopped=control.stop)


def _targets(request: PredictRequest) -> list[Target]:
    """Name every output and make sure that it can be written."""
    images = expand_images(request.images)
    if not request.output:
        raise InputError("no output named", mend="name it with -o")
    if request.cluster and request.settings.rescale:
        raise InputError(
            "a cluster predicts at the image's own voxel size",
            where="--cluster",
            mend="leave out rescale, or leave out --cluster",
        )
    labels = output_names(images, request.output)
    probabilities = _more_names(images, request.probabilities, "-probabilities")
    uncertainty = _more_names(images, request.uncertainty, "-uncertainty")
    rows = zip(images, labels, probabilities, uncertainty, strict=True)
    targets = [Target(*row) for row in rows]
    paths = [path for target in targets for path in target.paths.values()]
    _require_different(paths)
    for path in paths:
        if request.cluster and path.suffix.lower() != ".zarr":
            raise InputError(
                "workers of a cluster cannot write this together",
                where=str(path),
                mend="write to .zarr with --cluster",
            )
        require_label_file(path, inputs=[*images, request.model])
    return targets


def _require_different(paths: Sequence[Path]) -> None:
    """Refuse to write two results into one file."""
    places = [path.resolve() for path in paths]
    double = next(
        (p for p, place in zip(paths, places, strict=True) if places.count(place) > 1), None
    )
    if double is not None:
        raise InputError(
            "two results cannot go into one file", where=str(double), mend="name another for one"
        )


def _more_names(images: Sequence[str], output: str, suffix: str) -> Sequence[Path | None]:
    """Name outputs that are only written where they are asked for."""
    return output_names(images, output, suffix=suffix) if output else [None] * len(images)


def _predict_one(
    request: PredictRequest, model: LoadedModel, target: Target, control: JobControl
) -> Iterator[Event]:
    """Predict one volume into its files; what is finished survives a stop."""
    from napari_densify.engine.cluster import cluster_job, predict_on_cluster
    from napari_densify.inference.volume import Outputs, predict_volume, write_block

    volume = open_volume(
        target.image,
        spacing=request.spacing,
        level=request.settings.level,
        channels=model.spec.channels,
    )
    if request.settings.region:
        parse_region(request.settings.region, volume.shape)
    if request.view is not None and control.view is None:
        z, y, x = (slice(*side) for side in request.view)
        control.view = (z, y, x)
    fitted = fit(volume, model.spec, request.settings)
    for message in fitted.notices:
        yield Notice(level="warning", message=message)
    # Workers share a volume: none of them sees it whole, along all three axes.
    spec = model.spec.model_copy(update={"triplanar": False}) if request.cluster else model.spec
    block = write_block(request.settings, volume, spec)
    with _sinks(request, spec, volume, block, target, control) as sinks:
        if request.cluster:
            job = cluster_job(request, target.image, target.paths, volume, block, fitted.settings)
            events = predict_on_cluster(job, request.cluster, sinks, control)
        else:
            events = predict_volume(
                model.network,
                fitted.spec,
                fitted.volume,
                Outputs(**fitted.sinks(sinks)),
                fitted.settings,
                extra=model.extra,
                control=control,
            )
        yield from _watched(events, target, sinks["labels"])
        if control.stop:
            yield Notice(level="warning", message=_say_partial(target.labels))
    for role, path in target.paths.items():
        if path.exists():
            yield LayerUpdated(path=str(path), name=path.stem, role=role, final=True)


@contextlib.contextmanager
def _sinks(
    request: PredictRequest,
    spec: ModelSpec,
    volume: Volume,
    block: Triple,
    target: Target,
    control: JobControl,
) -> Iterator[dict[str, Sink]]:
    """Open the files to be written.

    On failure none is left half under its name; what is done when the job is
    stopped is kept, in a zarr so that it can be gone on with.
    """
    from napari_densify.inference.tiling import output_chunks
    from napari_densify.io import create_sink

    known: dict[str, Any] = {
        "spacing": volume.spacing,
        "spacing_known": volume.spacing_known,
        "resume": request.settings.resume,
        "chunks": output_chunks(block, volume.shape, spec),
        "plan": _plan(request, volume, block),
    }
    codes = label_dtype(max(spec.classes.values))
    kinds: dict[str, dict[str, Any]] = {
        "labels": {"shape": volume.shape, "dtype": codes, "classes": spec.classes},
        "probabilities": {"shape": (len(spec.classes), *volume.shape), "dtype": np.uint8},
        "uncertainty": {"shape": volume.shape, "dtype": np.uint8},
    }
    opened: dict[str, Sink] = {}
    try:
        for role, path in target.paths.items():
            opened[role] = create_sink(path, **kinds[role], **known)
        yield opened
        for sink in opened.values():
            if control.stop and sink.path.suffix.lower() == ".zarr":
                sink.abort()
            else:
                sink.close()
    except BaseException:
        for sink in opened.values():
            sink.abort()
        raise


def _plan(request: PredictRequest, volume: Volume, block: Triple) -> dict[str, Any]:
    """Note what decides the bytes of a result; only the same can be gone on with."""
    settings = request.settings
    model = hashlib.sha256(Path(request.model).read_bytes()).hexdigest()[:32]
    return {
        "model": model,
        "image": checksum(volume),
        "region": settings.region,
        "block": list(block),
        "mirrors": settings.mirrors,
        "precision": settings.precision,
        "intensities": settings.intensities,
        "rescale": settings.rescale,
        "level": settings.level,
        "spacing": list(request.spacing or ()),
    }


def _watched(events: Iterator[Event], target: Target, labels: Sink) -> Iterator[Event]:
    """Say now and then that a growing zarr can be looked at."""
    growing = target.labels.suffix.lower() == ".zarr"
    shown = time.monotonic()
    for event in events:
        yield event
        if growing and isinstance(event, Progress) and time.monotonic() - shown > _SHOW_EVERY_S:
            shown = time.monotonic()
            yield LayerUpdated(path=str(labels.path), name=target.labels.stem, role="labels")


def _say_partial(path: Path) -> str:
    if path.suffix.lower() == ".zarr":
        return f"{path} is unfinished; --resume goes on with it"
    return f"{path} is unfinished: what was not predicted is 0"


def _trouble(error: Exception) -> dict[str, Any]:
    found = failure(error)
    more = {"traceback": found.traceback} if found.traceback else {}
    return {"error": found.message, "fault": found.fault, **more}


def _row(target: Target, seconds: float, error: dict[str, Any]) -> dict[str, Any]:
    """Say in the report what became of one image."""
    head = {"image": target.image, "seconds": round(seconds, 2)}
    if error:
        return {**head, **error}
    files = {role: str(path) for role, path in target.paths.items()}
    return {**head, "output": str(target.labels), "files": files}


def _end(targets: list[Target], rows: list[dict[str, Any]], *, stopped: bool) -> Iterator[Event]:
    """Finish with a report; volumes that failed make the command fail, after all others."""
    report = ""
    if len(targets) > 1:
        place = targets[0].labels.parent / "report.json"
        atomic_write_json(place, {"volumes": rows})
        report = str(place)
    failed = [row for row in rows if "error" in row]
    if failed:
        names = ", ".join(row["image"] for row in failed)
        yield Failed(
            message=f"{len(failed)} of {len(targets)} volumes failed: {names}; see {report}",
            fault=any(row["fault"] for row in failed),
            traceback="".join(row.get("traceback", "") for row in failed),
        )
    else:
        yield Done(result={"volumes": rows, "report": report}, stopped=stopped)
