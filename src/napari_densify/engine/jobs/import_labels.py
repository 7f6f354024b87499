"""``import``: annotations of other programs become labels, in a project or an image too."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, Notice, Progress
from napari_densify.core.requests import ImportRequest
from napari_densify.core.volume import Volume
from napari_densify.engine.outputs import require_label_file
from napari_densify.engine.sources import is_project, open_volume, require_shape

if TYPE_CHECKING:
    from napari_densify.io import ImportPlan, ImportSource

__all__ = ["run"]


def run(request: ImportRequest, control: JobControl) -> Iterator[Event]:
    """Say what each item becomes; write it where an output is named."""
    from napari_densify.io import apply_import

    into_project = bool(request.output) and is_project(request.output)
    into_image = "::" in request.output
    if into_image:
        _inside(request.output)
    elif request.output and not into_project:
        inputs = [request.source, request.image, request.table]
        require_label_file(request.output, inputs=filter(None, inputs))
    home = request.image or (request.output if into_project else "")
    image = open_volume(home) if request.image or into_project else None
    source, plan = planned(request, image.shape if image else None)
    result = describe_plan(source, plan)
    if request.output:
        labels = apply_import(source, plan)
        if image is not None:
            require_shape(labels.shape, image.shape, where=request.source, other=home)
            labels = labels.with_spacing(image.spacing) if image.spacing_known else labels
        write = _into_project if into_project else _into_image if into_image else _into_file
        painted = yield from write(request, labels, control)
        if painted is None:
            yield Notice(level="warning", message="stopped, so nothing was written")
            result["stopped"] = True
        else:
            result |= {"output": request.output, "painted": painted}
    yield Done(result=result, stopped=control.stop)


def planned(
    request: ImportRequest, shape: tuple[int, int, int] | None
) -> tuple[ImportSource, ImportPlan]:
    """Read the file and take the user's wishes into account."""
    from napari_densify.io import Wish, plan_import, read_import, read_wishes

    source = read_import(request.source, shape=shape)
    plan = plan_import(source, zero=request.zero)
    if request.table:
        plan = plan.with_wishes(read_wishes(request.table))
    return source, plan.with_wishes(Wish(*row) for row in request.wishes)


def describe_plan(source: ImportSource, plan: ImportPlan) -> dict[str, Any]:
    """Items with what each becomes, and the voxels of each class."""
    classes = plan.classes
    rows = [
        {
            "item": row.item.key,
            "voxels": row.item.voxels,
            "value": row.value,
            "becomes": classes.name(row.value) if row.value else "unlabelled",
            "background": row.value != 0 and row.value == classes.background,
        }
        for row in plan.rows
    ]
    return {
        "kind": source.kind,
        "source": source.source,
        "shape": list(source.codes.shape),
        "items": rows,
        "voxels": dict(plan.count()),
    }


def _into_file(
    request: ImportRequest, labels: Volume, control: JobControl
) -> Generator[Event, None, int | None]:
    """Write a label file slice by slice; return the voxels annotated, None if stopped."""
    from napari_densify.io import create_sink

    sink = create_sink(
        request.output,
        shape=labels.shape,
        dtype=labels.dtype,
        spacing=labels.spacing,
        spacing_known=labels.spacing_known,
        classes=labels.metadata["classes"],
    )
    depth, height, width = labels.shape
    painted = 0
    try:
        for z in range(0, depth, sink.chunks[0]):
            if control.stop:
                sink.abort()
                return None
            region = (slice(z, min(z + sink.chunks[0], depth)), slice(0, height), slice(0, width))
            block = labels.read_labels(region)
            sink.write(region, block)
            painted += int((block != 0).sum())
            yield Progress(done=region[0].stop, total=depth)
        sink.close()
    except BaseException:
        sink.abort()
        raise
    return painted


def _inside(output: str) -> tuple[str, str]:
    """Image and name of labels that lie in an OME-Zarr: ``IMAGE.zarr::labels/NAME``."""
    image, _, dataset = output.partition("::")
    folder, _, name = dataset.partition("/")
    if folder != "labels" or not name:
        raise InputError(
            "labels of an OME-Zarr image lie in labels/NAME",
            where=output,
            mend="write IMAGE.zarr::labels/NAME",
        )
    return image, name


def _into_image(
    request: ImportRequest, labels: Volume, control: JobControl
) -> Generator[Event, None, int]:
    """Write labels into the OME-Zarr image that they belong to; returns the voxels annotated."""
    from napari_densify.io import write_ome_labels

    image, name = _inside(request.output)
    yield Progress(done=0, total=1, message=f"writing {name} into {image}")
    classes = labels.metadata["classes"]
    write_ome_labels(image, name, labels.data, classes=classes, overwrite=request.replace)
    planes = (np.asarray(labels.data[z]) for z in range(labels.shape[0]))
    return sum(int(np.count_nonzero(plane)) for plane in planes)


def _into_project(
    request: ImportRequest, labels: Volume, control: JobControl
) -> Generator[Event, None, int]:
    """Paint on a project, where nothing is painted yet; returns the voxels that changed."""
    from napari_densify.project import Project, import_edits, merge_classes

    with Project.open(request.output) as project:
        if project.read_only:
            raise InputError(
                project.notice or "is open read-only",
                where=request.output,
                mend="close the viewer, or import in its step Annotate",
            )
        paint = project.painted()
        try:
            classes = labels.metadata["classes"]
            project.update(classes=merge_classes(project.classes, classes, paint.counts()))
            painted = 0
            for edit in import_edits(labels, paint, replace=request.replace):
                if control.stop:
                    break
                edit.apply(paint)
                painted += len(edit)
                yield Progress(done=edit.region[0].stop, total=labels.shape[0])
        finally:
            paint.close()
        origin = str(Path(request.source.partition("::")[0]).absolute())
        project.log("import", {"source": origin, "voxels": painted, "zero": request.zero})
    return painted
