"""What a slider previews: one slice, at once, without running the whole volume."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_densify.classical.registry import Method, get_method, resolve_parameters
from napari_densify.classical.run import make_task
from napari_densify.classical.task import Paint, Task
from napari_densify.core.base import Settings
from napari_densify.core.labels import UNLABELLED, ClassTable
from napari_densify.core.volume import ArrayLike, Volume

__all__ = ["preview_slice"]

_REACH = 3


def preview_slice(
    name: str,
    volume: Volume,
    z: int,
    *,
    annotations: ArrayLike | None = None,
    classes: ClassTable | None = None,
    parameters: Settings | Mapping[str, Any] | None = None,
) -> Iterator[npt.NDArray[Any]]:
    """Label one slice; iterative methods yield ever better answers.

    Methods that work in blocks give what they give on the volume, but for what they learn
    from a sample of a large volume and of its paint. Those that
    need all of the volume are run on the slice alone, so their answer is a sketch: from
    its own paint, or else from that of the nearest painted slice, drawn back from the
    outlines because they have moved since.

    Parameters
    ----------
    name
        Method, see ``METHODS``.
    volume
        Image.
    z
        Slice that is looked at.
    annotations, classes, parameters
        As in :func:`~napari_densify.classical.run_method`.

    Yields
    ------
    Class codes ``(Y, X)``; the last one is the answer.

    Raises
    ------
    InputError
        If the method, a parameter or the paint cannot be used.
    """
    method, preset = get_method(name)
    chosen = resolve_parameters(method, preset, parameters)
    task = replace(make_task(volume, annotations, classes), quick=True)
    if method.needs_paint:
        task.require_paint()
    if method.blockwise:
        yield method.function(task, chosen)((slice(z, z + 1), *task.region[1:]))[0]
    else:
        yield from _sketch(method, task, chosen, z)


def _sketch(method: Method, task: Task, parameters: Settings, z: int) -> Iterator[npt.NDArray[Any]]:
    _, y, x = task.region
    data = task.volume.read((slice(z, z + 1), y, x))
    paint = None if task.paint is None else _borrow(task.paint, z)
    alone = replace(task, volume=replace(task.volume, data=data, chunks=None), paint=paint)
    if method.needs_paint:
        alone.require_paint()
    answer = method.function(alone, parameters)
    if method.iterative:
        for labels, _ in answer:
            yield labels[0]
    else:
        yield answer[0]


def _borrow(paint: Paint, z: int) -> Paint | None:
    """Paint of a slice, or of the nearest painted one without a rim along its outlines."""
    if not paint.slices:
        return None
    nearest = min(paint.slices, key=lambda n: abs(n - z))
    plane = paint.plane(nearest)
    if nearest == z:
        return Paint(plane[None])
    # Outlines move at most a few voxels for each slice; thin classes keep their middle line.
    inner = np.zeros_like(plane)
    for value in np.unique(plane[plane != UNLABELLED]):
        mask = plane == value
        depth = ndimage.distance_transform_edt(mask)
        rim = min(_REACH * abs(nearest - z), 0.5 * float(depth.max()))
        inner[depth > rim] = value
    return Paint(inner[None])
