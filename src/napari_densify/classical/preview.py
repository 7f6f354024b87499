"""What a slider previews: one slice, at once, without running the whole volume."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
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
_SLOW = 3.0
_SKETCH_VOXELS = 1 << 16


def preview_slice(
    name: str,
    volume: Volume,
    z: int,
    *,
    annotations: ArrayLike | None = None,
    classes: ClassTable | None = None,
    probabilities: Volume | None = None,
    parameters: Settings | Mapping[str, Any] | None = None,
    memory: MutableMapping[Any, Any] | None = None,
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
    annotations, classes, probabilities, parameters
        As in :func:`~napari_densify.classical.run_method`.
    memory
        Given again with each call, it keeps what need not be computed anew as paint grows
        and sliders move.

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
    task = replace(
        make_task(volume, annotations, classes, probabilities=probabilities),
        quick=True,
        memory={} if memory is None else memory,
    )
    if method.needs_paint:
        task.require_paint()
    step = _coarse_step(method, volume)
    if step > 1:
        coarse = _thinned(task, step)
        sketch = method.function(coarse, _lighter(method, chosen))(
            (slice(z, z + 1), *coarse.region[1:])
        )[0]
        _, height, width = volume.shape
        yield sketch.repeat(step, 0).repeat(step, 1)[:height, :width]
    if method.blockwise:
        yield method.function(task, chosen)((slice(z, z + 1), *task.region[1:]))[0]
    else:
        yield from _sketch(method, task, chosen, z)


@dataclass(frozen=True)
class _Thinned:
    """Every ``step``-th voxel of an array along Y and X, read when it is asked for."""

    array: ArrayLike
    step: int

    @property
    def shape(self) -> tuple[int, ...]:
        *rest, y, x = self.array.shape
        return (*rest, -(-y // self.step), -(-x // self.step))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        parts = key if isinstance(key, tuple) else (key,)
        parts = (*parts, *(slice(None),) * (len(self.shape) - len(parts)))
        plane = []
        for part, length in zip(parts[-2:], self.shape[-2:], strict=True):
            start, stop, _ = part.indices(length)
            plane.append(slice(start * self.step, (stop - 1) * self.step + 1))
        # Arrays on disk and paint are not read with a step.
        dense = np.asarray(self.array[(*parts[:-2], *plane)])
        return dense[..., :: self.step, :: self.step]


def _thinned(task: Task, step: int) -> Task:
    z, y, x = task.volume.spacing
    volume = replace(
        task.volume,
        data=_Thinned(task.volume.data, step),
        spacing=(z, y * step, x * step),
        chunks=None,
    )
    paint = None if task.paint is None else Paint(_Thinned(task.paint.array, step))
    guess = task.probabilities
    guess = None if guess is None else replace(guess, data=_Thinned(guess.data, step), chunks=None)
    return replace(task, volume=volume, paint=paint, probabilities=guess)


def _coarse_step(method: Method, volume: Volume) -> int:
    """Thinning of the sketch that comes first; 1 where the answer itself comes at once."""
    _, y, x = volume.shape
    if not method.blockwise or method.seconds_per_mvoxel < _SLOW:
        return 1
    return max(1, int(np.sqrt(y * x / _SKETCH_VOXELS)))


def _lighter(method: Method, parameters: Settings) -> Settings:
    """Parameters of the sketch that comes first: fewer trees, fewer iterations."""
    values = parameters.model_dump()
    return parameters.model_copy(
        update={name: min(values[name], most) for name, most in method.sketch}
    )


def _sketch(method: Method, task: Task, parameters: Settings, z: int) -> Iterator[npt.NDArray[Any]]:
    _, y, x = task.region
    data = task.volume.read((slice(z, z + 1), y, x))
    paint = None if task.paint is None else _remembered_paint(task, task.paint, z)
    guess = task.probabilities
    if guess is not None:
        guess = replace(guess, data=guess.read((slice(z, z + 1), y, x)), chunks=None)
    alone = replace(
        task,
        volume=replace(task.volume, data=data, chunks=None),
        paint=paint,
        probabilities=guess,
    )
    if method.needs_paint:
        alone.require_paint()
    answer = method.function(alone, parameters)
    if method.iterative:
        for labels, _ in answer:
            yield labels[0]
    else:
        yield answer[0]


def _remembered_paint(task: Task, paint: Paint, z: int) -> Paint | None:
    """As :func:`_borrow`, once for all the positions of a slider."""
    if not paint.slices:
        return None
    nearest = min(paint.slices, key=lambda n: abs(n - z))
    what = ("borrowed", task.identity, z, nearest, hash(paint.plane(nearest).tobytes()))
    if what not in task.memory:
        task.memory[what] = _borrow(paint, z)
    found: Paint | None = task.memory[what]
    return found


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
