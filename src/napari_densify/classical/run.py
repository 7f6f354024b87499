"""Running a method: in blocks where it can, with intermediate results where it has some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from napari_densify.classical.registry import Method, get_method, resolve_parameters
from napari_densify.classical.task import Labels, Paint, Task
from napari_densify.core.base import Settings
from napari_densify.core.blocks import Region, block_grid, full_region
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.sizes import say_bytes
from napari_densify.core.volume import ArrayLike, Volume

__all__ = ["Piece", "label_task", "make_task", "run_method", "run_objects", "stream_method"]

_BLOCK_VOXELS = 1 << 23


@dataclass(frozen=True)
class Piece:
    """A part of a method's answer.

    Attributes
    ----------
    region
        Where it belongs.
    labels
        Dense class codes ``(Z, Y, X)`` of that region.
    done, total
        Progress, in blocks or iterations.
    final
        False for an intermediate result, which a later piece replaces.
    """

    region: Region
    labels: Labels
    done: int
    total: int
    final: bool = True


def run_method(
    name: str,
    volume: Volume,
    *,
    annotations: ArrayLike | None = None,
    classes: ClassTable | None = None,
    probabilities: Volume | None = None,
    parameters: Settings | Mapping[str, Any] | None = None,
    control: JobControl | None = None,
) -> npt.NDArray[Any]:
    """Run a classical method and return its labels.

    Parameters
    ----------
    name
        Method, see ``METHODS``; hyphens do for underscores.
    volume
        Image; it is read, never changed.
    annotations
        Codes ``(Z, Y, X)``, 0 where not annotated; some methods need them, the
        others use them to decide which group is which class.
    classes
        Classes; by default those painted, or background (1) and foreground (2).
    probabilities
        Of a network, ``(C, Z, Y, X)``, one channel for each class; for methods that can
        work on them.
    parameters
        The method's parameters; what is left out keeps its default.
    control
        Mailbox: ``stop`` ends an iterative method with what it has.

    Returns
    -------
    Dense class codes ``(Z, Y, X)``: uint8, or uint16 past 255 classes.

    Raises
    ------
    InputError
        If the method, a parameter or the paint cannot be used.

    Examples
    --------
    >>> image = np.zeros((1, 8, 8), np.uint8)
    >>> image[0, 2:6, 2:6] = 200
    >>> run_method("otsu", Volume(image), parameters={"sigma": 0})[0, 3, :4].tolist()
    [1, 1, 2, 2]
    """
    out: npt.NDArray[Any] | None = None
    for piece in stream_method(
        name,
        volume,
        annotations=annotations,
        classes=classes,
        probabilities=probabilities,
        parameters=parameters,
        control=control,
    ):
        if out is None:
            out = np.zeros(volume.shape, piece.labels.dtype)
        out[piece.region] = piece.labels
    assert out is not None
    return out


def stream_method(
    name: str,
    volume: Volume,
    *,
    annotations: ArrayLike | None = None,
    classes: ClassTable | None = None,
    probabilities: Volume | None = None,
    parameters: Settings | Mapping[str, Any] | None = None,
    control: JobControl | None = None,
) -> Iterator[Piece]:
    """Run a classical method and yield its answer in pieces, for volumes of any size.

    Parameters and errors are those of :func:`run_method`. Final pieces tile the volume
    exactly once, unless the job is stopped.
    """
    method, preset = get_method(name)
    chosen = resolve_parameters(method, preset, parameters)
    task = make_task(volume, annotations, classes, control, probabilities=probabilities)
    _check_paint(method, task)
    yield from (
        _in_blocks(method, task, chosen) if method.blockwise else _whole(method, task, chosen)
    )


def run_objects(
    name: str,
    volume: Volume,
    *,
    annotations: ArrayLike | None = None,
    classes: ClassTable | None = None,
    probabilities: Volume | None = None,
    parameters: Settings | Mapping[str, Any] | None = None,
) -> tuple[Labels, npt.NDArray[np.uint32]]:
    """Run a method that divides the volume into regions; tell classes and objects.

    Parameters and errors are those of :func:`run_method`.

    Returns
    -------
    Dense class codes ``(Z, Y, X)``, the same as :func:`run_method` gives, and ids from 1
    without gaps: each region of the objects' class has its own, 0 is no object.

    Raises
    ------
    InputError
        If the method has no regions of its own.
    """
    from napari_densify.classical.instances import object_class, renumber

    method, preset = get_method(name)
    if not method.objects:
        raise InputError(
            "it gives classes, no objects",
            where=method.name,
            mend="make objects of its labels: densify instances LABELS -o OUT",
        )
    chosen = resolve_parameters(method, preset, parameters)
    task = make_task(volume, annotations, classes, probabilities=probabilities)
    _check_memory(method, task)
    numbers, codes = method.divide(task, chosen)
    labels: Labels = codes[numbers]
    value = object_class(labels, task.table)
    return labels, renumber(np.where(labels == value, numbers.astype(np.int64) + 1, 0))


def label_task(
    method: Method, task: Task, parameters: Settings, region: Region
) -> npt.NDArray[Any]:
    """Label a region of a task that is small enough to be held in memory."""
    if method.blockwise:
        labels: npt.NDArray[Any] = method.function(task, parameters)(region)
        return labels
    answer = method.function(task, parameters)
    whole: npt.NDArray[Any] = list(answer)[-1][0] if method.iterative else answer
    return whole[region]


def make_task(
    volume: Volume,
    annotations: ArrayLike | None,
    classes: ClassTable | None,
    control: JobControl | None = None,
    *,
    probabilities: Volume | None = None,
) -> Task:
    """Check paint and classes against the volume and put them together.

    Raises
    ------
    InputError
        If the annotations have another shape, or hold codes that no class has.
    """
    paint = None if annotations is None else Paint(annotations)
    if paint is not None and tuple(paint.array.shape) != volume.shape:
        raise InputError(
            f"their shape {tuple(paint.array.shape)} is not that of the image, {volume.shape}",
            where="annotations",
            mend="give the annotations of this image, at the same resolution",
        )
    painted = paint.values if paint is not None else ()
    table = classes or (ClassTable.from_values(painted) if painted else ClassTable.default())
    unknown = sorted(set(painted) - set(table.values))
    if unknown:
        table = table.only([*table.values, *unknown])
    if probabilities is not None and probabilities.shape != volume.shape:
        raise InputError(
            f"their shape {probabilities.shape} is not that of the image, {volume.shape}",
            where="probabilities",
            mend="give the probabilities of this image, at the same resolution",
        )
    return Task(
        volume=volume,
        paint=paint,
        table=table,
        control=control or JobControl(),
        probabilities=probabilities,
    )


def _check_paint(method: Method, task: Task) -> None:
    if method.needs_paint and (task.paint is None or not task.paint.slices):
        raise InputError(
            f"{method.title.lower()} learns from paint, and there is none",
            where="annotations",
            mend="paint at least two classes, or choose a method that needs no paint",
        )
    if method.needs_paint and task.paint is not None and len(task.paint.values) == 1:
        from napari_densify.core.labels import require_trainable

        require_trainable({task.paint.values[0]: 1}, task.table)


def _in_blocks(method: Method, task: Task, parameters: Settings) -> Iterator[Piece]:
    rule = method.function(task, parameters)
    blocks = list(block_grid(task.volume.shape, _block_shape(method, task.volume.shape)))
    for number, block in enumerate(blocks, 1):
        yield Piece(block.write, rule(block.write), number, len(blocks))
        if task.control.stop:
            return


def _block_shape(method: Method, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Slabs of whole slices where they fit, else square pieces of eight slices."""
    z, y, x = shape
    if method.planar:
        return 1, y, x
    if y * x <= _BLOCK_VOXELS:
        return max(1, min(z, _BLOCK_VOXELS // (y * x))), y, x
    return min(z, 8), 1024, 1024


def _whole(method: Method, task: Task, parameters: Settings) -> Iterator[Piece]:
    _check_memory(method, task)
    region = full_region(task.volume.shape)
    if not method.iterative:
        yield Piece(region, method.function(task, parameters), 1, 1)
        return
    last: Labels | None = None
    for number, (labels, total) in enumerate(method.function(task, parameters), 1):
        last = labels
        if task.control.stop:
            break
        yield Piece(region, labels, number, total, final=False)
    if last is not None:
        yield Piece(region, last, 1, 1)


def _check_memory(method: Method, task: Task) -> None:
    needed = int(np.prod(task.volume.shape, dtype=np.int64)) * method.bytes_per_voxel
    free = psutil.virtual_memory().available
    if needed > 0.8 * free:
        raise InputError(
            f"{method.title.lower()} needs the whole volume in memory, about "
            f"{say_bytes(needed)}, and {say_bytes(free)} are free",
            where=task.volume.source or task.volume.name,
            mend="use a coarser level or a crop, or a method that works in blocks",
        )
