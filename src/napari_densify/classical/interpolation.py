"""Signed-distance interpolation between painted slices: what every network must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from napari_densify.classical.task import Labels, Paint, Rule, Task
from napari_densify.core.base import Settings
from napari_densify.core.blocks import Region

__all__ = [
    "SEARCH",
    "InterpolationParameters",
    "fade_absent",
    "fit",
    "mix_planes",
    "painted_planes",
    "signed_distances",
]

SEARCH: dict[str, tuple[str, ...]] = {}

Distances = npt.NDArray[np.float32]

_LARGEST_FOR_AXES = 1 << 28
_LARGEST_KEPT = 1 << 28
_FEWEST_VOXELS = 9


class InterpolationParameters(Settings):
    """Parameters of the interpolation."""

    axes: Literal["auto", "z"] = Field(
        "auto",
        title="Axes",
        description="auto: between painted slices along Z, Y and X, wherever there are some; "
        "z: between Z slices only",
    )


@dataclass(frozen=True)
class _Stack:
    """Painted planes along one axis, with their signed distances, ``(P, K, A, B)``."""

    axis: int
    planes: npt.NDArray[np.int64]
    distances: Distances
    step: float


def fit(task: Task, parameters: InterpolationParameters) -> Rule:
    """Compute signed distances in every painted plane; voxels between planes mix two of them.

    In a painted plane each class has a signed distance: positive inside, in nm. Between
    two planes it changes linearly, beyond the last it stays; the class with the greatest
    value wins. With painted planes along several axes each gives an answer, and they are
    averaged with weights that fall with the square of the distance to the plane.

    References
    ----------
    Raya & Udupa, Shape-based interpolation of multidimensional objects, IEEE
    Transactions on Medical Imaging 9, 32 (1990).
    """
    paint = task.require_paint()
    stacks = _stacks(task, paint, parameters)

    def rule(region: Region) -> Labels:
        z, y, x = region
        out = np.empty([s.stop - s.start for s in region], task.dtype)
        for row, number in enumerate(range(z.start, z.stop)):
            winner = _mix(stacks, number, (y, x)).argmax(0)
            out[row] = np.asarray(task.classes, task.dtype)[winner]
        return out

    return rule


def _stacks(task: Task, paint: Paint, parameters: InterpolationParameters) -> list[_Stack]:
    spacing = task.volume.spacing
    planes: tuple[Sequence[int], ...] = (paint.slices, (), ())
    if parameters.axes == "auto" and _may_cross(paint):
        planes = painted_planes(np.asarray(paint.array[:]))
    stacks = []
    for axis, numbers in enumerate(planes):
        if numbers:
            fields = [_remembered(task, axis, n) for n in numbers]
            stacks.append(_Stack(axis, np.asarray(numbers), _bounded(fields), spacing[axis]))
    return stacks


def _may_cross(paint: Paint) -> bool:
    """Whether planes along Y or X can be painted: they go through neighbouring Z slices."""
    size = int(np.prod(paint.array.shape, dtype=np.int64))
    return size <= _LARGEST_FOR_AXES and bool((np.diff(paint.slices) == 1).any())


def _remembered(task: Task, axis: int, number: int) -> Distances:
    """Signed distances of a plane; a preview keeps them until that plane is painted again."""
    plane = _plane(task.require_paint(), axis, number)
    spacing = tuple(s for i, s in enumerate(task.volume.spacing) if i != axis)
    key = ("distances", task.identity, task.classes, axis, number)
    state = hash(plane.tobytes())
    if task.quick and task.memory.get(key, (None,))[0] == state:
        kept: Distances = task.memory[key][1]
        return kept
    found = signed_distances(plane, task.classes, spacing=spacing)
    if task.quick and found.nbytes * len(task.require_paint().slices) <= _LARGEST_KEPT:
        task.memory[key] = (state, found)
    return found


def _plane(paint: Paint, axis: int, number: int) -> Labels:
    if axis == 0:
        return paint.plane(number)
    plane: Labels = np.asarray(paint.array[:]).take(number, axis)
    return plane


def painted_planes(paint: Labels) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Find the planes that somebody painted in, along Z, Y and X.

    A voxel painted in a Z slice has painted neighbours in Y and X, not in Z. So voxels are
    attributed to an axis by the directions in which their neighbours are painted; solid
    blocks count as Z slices.

    Parameters
    ----------
    paint
        ``(Z, Y, X)``, 0 where not annotated.

    Returns
    -------
    Numbers of the planes along each axis. Z planes are all that hold paint which no
    other axis explains.
    """
    mask = paint != 0
    runs = [_has_neighbour(mask, axis) for axis in range(3)]
    flat = [mask & runs[1] & runs[2], mask & runs[0] & runs[2], mask & runs[0] & runs[1]]
    planes = []
    for axis in (1, 2):
        # The border of a solid block along Z looks like a plane only to one voxel's depth.
        own = flat[axis] & ~flat[0]
        other = tuple(i for i in range(3) if i != axis)
        found = own.sum(other) >= np.maximum(_FEWEST_VOXELS, 0.5 * mask.sum(other))
        planes.append(tuple(np.flatnonzero(found).tolist()))
    rest = mask.copy()
    rest[:, list(planes[0]), :] = False
    rest[:, :, list(planes[1])] = False
    first = tuple(np.flatnonzero(rest.any((1, 2))).tolist())
    return first, planes[0], planes[1]


def _has_neighbour(mask: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
    ahead, behind = (np.moveaxis(mask, axis, 0)[part] for part in (slice(1, None), slice(-1)))
    beside = np.zeros_like(mask)
    view = np.moveaxis(beside, axis, 0)
    view[:-1] = behind & ahead
    view[1:] |= behind & ahead
    return beside


def signed_distances(
    plane: Labels, classes: Sequence[int], *, spacing: Sequence[float]
) -> Distances:
    """Signed distance of every class in one partly painted plane.

    For a class it is the distance to the nearest paint of another class minus the
    distance to its own nearest paint: the usual signed distance where all is painted.

    Parameters
    ----------
    plane
        Codes ``(A, B)``, 0 where not annotated.
    classes
        Class codes.
    spacing
        Voxel size along both axes, in nm.

    Returns
    -------
    ``(K, A, B)``, float32, nm; minus infinity throughout for a class that is absent.
    """
    out = np.full((len(classes), *plane.shape), -np.inf, np.float32)
    far = float(np.hypot(*(n * s for n, s in zip(plane.shape, spacing, strict=True))))
    distances = {
        value: ndimage.distance_transform_edt(plane != value, sampling=spacing)
        for value in np.unique(plane[plane != 0]).tolist()
    }
    for k, value in enumerate(classes):
        if value in distances:
            others = [d for other, d in distances.items() if other != value]
            inside = np.minimum.reduce(others) if others else far
            out[k] = inside - distances[value]
    return out


def fade_absent(fields: Distances, *, nowhere: float) -> None:
    """Let a class that a plane lacks lie as far away there as it is deep elsewhere, in place.

    So it fades out halfway to a plane that has it.

    Parameters
    ----------
    fields
        Signed distances ``(P, K, A, B)`` of P planes, in nm, minus infinity where absent.
    nowhere
        Signed distance of a class that no plane has, in nm.
    """
    for k in range(fields.shape[1]):
        column = fields[:, k]
        absent = np.isneginf(column)
        column[absent] = nowhere if absent.all() else -column[~absent].max()


def _bounded(fields: list[Distances]) -> Distances:
    """Stack planes; a class that none of them has lies below all others."""
    stack = np.stack(fields)
    fade_absent(stack, nowhere=-2 * float(np.abs(stack[np.isfinite(stack)]).max()))
    return stack


def _mix(stacks: list[_Stack], z: int, inside: tuple[slice, slice]) -> npt.NDArray[Any]:
    """Mixed signed distances of one Z slice, ``(K, y, x)``."""
    if len(stacks) == 1:
        only: npt.NDArray[Any] = _values(stacks[0], z, inside)[0]
        return only
    total: Any = 0.0
    weights: Any = 0.0
    for stack in stacks:
        value, distance = _values(stack, z, inside)
        weight = 1.0 / (distance**2 + (0.1 * stack.step) ** 2)
        total = total + weight * value
        weights = weights + weight
    result: npt.NDArray[Any] = total / weights
    return result


def _values(stack: _Stack, z: int, inside: tuple[slice, slice]) -> tuple[Any, Any]:
    """Signed distances of one Z slice by one axis, and distance to its planes."""
    return (_along_z if stack.axis == 0 else _across)(stack, z, inside)


def _along_z(stack: _Stack, z: int, inside: tuple[slice, slice]) -> tuple[Any, Any]:
    field, distance = mix_planes(stack.distances[:, :, *inside], stack.planes, z)
    return field, distance * stack.step


def mix_planes(
    fields: Distances, planes: npt.NDArray[np.int64], number: int
) -> tuple[Distances, int]:
    """Mix the fields on either side of a slice linearly; beyond the last plane it stays.

    Parameters
    ----------
    fields
        Finite signed distances ``(P, K, A, B)`` in the painted planes.
    planes
        Their numbers ``(P,)``, ascending.
    number
        Slice that is wanted.

    Returns
    -------
    Field ``(K, A, B)``, and slices to the nearest plane.
    """
    low, high, part = _between(tuple(planes.tolist()), number)
    mixed = fields[low] if low == high else (1 - part) * fields[low] + part * fields[high]
    return mixed, int(np.abs(planes - number).min())


def _across(stack: _Stack, z: int, inside: tuple[slice, slice]) -> tuple[Any, Any]:
    """Rows (or columns) of one Z slice, each mixed from its two nearest painted planes."""
    numbers = inside[stack.axis - 1]
    ticks = tuple(stack.planes.tolist())
    picks = [_between(ticks, n) for n in range(numbers.start, numbers.stop)]
    low, high = (np.asarray([p[i] for p in picks]) for i in (0, 1))
    part = np.asarray([p[2] for p in picks], np.float32)[:, None, None]
    lines = stack.distances[:, :, z, inside[2 - stack.axis]]
    mixed = (1 - part) * lines[low] + part * lines[high]
    near = np.abs(np.arange(numbers.start, numbers.stop)[:, None] - stack.planes).min(1)
    distance = near.astype(np.float32) * stack.step
    if stack.axis == 1:
        return mixed.transpose(1, 0, 2), distance[:, None]
    return mixed.transpose(1, 2, 0), distance[None, :]


@lru_cache(maxsize=4096)
def _between(planes: tuple[int, ...], n: int) -> tuple[int, int, float]:
    """Return the painted planes on both sides, and how far ``n`` is between them."""
    high = int(np.searchsorted(planes, n))
    if high == 0 or high == len(planes):
        end = min(high, len(planes) - 1)
        return end, end, 0.0
    low = high - 1
    return low, high, (n - planes[low]) / (planes[high] - planes[low])
