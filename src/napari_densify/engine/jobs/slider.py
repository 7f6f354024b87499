"""What a slider asks of the worker without torch: a few slices, better and better, at once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region, bounds_of
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, LayerUpdated
from napari_densify.core.files import atomic_write_bytes
from napari_densify.core.labels import ClassTable
from napari_densify.core.requests import ClassicalRequest
from napari_densify.core.volume import ArrayLike, Volume
from napari_densify.engine.outputs import require_label_file
from napari_densify.engine.sources import (
    PaintedVoxels,
    is_project,
    open_painted,
    open_volume,
    require_slices,
)

if TYPE_CHECKING:
    from napari_densify.comparison import SlicesOf

__all__ = ["Opened", "open_inputs", "run"]

PLANES = (".npy",)
"""Endings of files that hold the previewed region alone."""


_MEMORY: dict[Any, Any] = {}
_MOST_REMEMBERED = 200


@dataclass(frozen=True)
class Opened:
    """What a classical method is given, opened.

    ``project_held_out`` are the slices that are held out because the project does so.
    """

    volume: Volume
    paint: ArrayLike | None = None
    classes: ClassTable | None = None
    probabilities: Volume | None = None
    project_held_out: tuple[int, ...] = ()

    def keywords(self) -> dict[str, Any]:
        """Arguments of the functions of :mod:`napari_densify.classical`."""
        return {
            "volume": self.volume,
            "annotations": self.paint,
            "classes": self.classes,
            "probabilities": self.probabilities,
        }

    def facts(self) -> dict[str, Any]:
        """Arguments of :func:`napari_densify.io.create_sink` for its labels."""
        from napari_densify.classical import make_task

        task = make_task(self.volume, self.paint, self.classes)
        return {
            "shape": self.volume.shape,
            "dtype": task.dtype,
            "spacing": self.volume.spacing,
            "spacing_known": self.volume.spacing_known,
            "classes": task.table,
        }


def open_inputs(request: ClassicalRequest) -> Opened:
    """Open image, paint and probabilities; slices that are held out hold no paint here.

    Raises
    ------
    InputError
        If one cannot be read, or they are not of one shape.
    """
    place: dict[str, Any] = {"spacing": request.spacing, "level": request.level}
    probabilities = _open_probabilities(request.probabilities)
    if not request.annotations and not is_project(request.image):
        volume = open_volume(request.image, **place)
        return Opened(volume, probabilities=probabilities)
    source = open_painted(request.image, request.annotations, **place)
    paint: PaintedVoxels | SlicesOf = PaintedVoxels(source.annotations)
    require_slices(request.held_out, source.volume.shape[0])
    painted = source.annotations.slice_counts()
    as_kept = request.project_held_out and not request.held_out
    kept = tuple(z for z in source.held_out if z in painted) if as_kept else ()
    if held_out := request.held_out or kept:
        from napari_densify.comparison import SlicesOf

        paint = SlicesOf(paint, frozenset(painted) - {*held_out})
    return Opened(source.volume, paint, source.classes, probabilities, kept)


def _open_probabilities(address: str) -> Volume | None:
    if not address:
        return None
    from napari_densify.io import open_image

    return open_image(address)


def run(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    """Label the slices of a region; iterative methods show what they have on the way."""
    from napari_densify.classical import get_method

    assert request.region is not None
    method, _ = get_method(request.method)
    target = require_label_file(request.output, inputs=[request.image])
    opened = open_inputs(request)
    region = _clipped(request, opened.volume.shape)
    bounds = bounds_of(region)
    for labels, final in _answers(request, opened, region, control):
        _write(opened, target, region, labels)
        yield LayerUpdated(
            path=str(target),
            name=method.title,
            role="preview",
            region=bounds if target.suffix in PLANES else request.region,
            generation=request.generation,
            final=final,
        )
    result = {"output": str(target), "method": method.name, "parameters": request.parameters}
    yield Done(result={**result, "seconds": round(control.elapsed(), 2)}, stopped=control.stop)


def _clipped(request: ClassicalRequest, shape: tuple[int, int, int]) -> Region:
    assert request.region is not None
    sides = zip(request.region, shape, strict=True)
    z, y, x = (slice(max(0, start), min(stop, n)) for (start, stop), n in sides)
    if any(s.stop <= s.start for s in (z, y, x)):
        raise InputError("the region lies outside of the volume", where=request.image)
    return z, y, x


def _answers(
    request: ClassicalRequest, opened: Opened, region: Region, control: JobControl
) -> Iterator[tuple[npt.NDArray[Any], bool]]:
    """Labels of the region and whether they are the last ones; of one slice, all on the way."""
    from napari_densify.classical import preview_slice

    z, y, x = region
    planes: list[npt.NDArray[Any]] = []
    if len(_MEMORY) > _MOST_REMEMBERED:
        _MEMORY.clear()
    options = {**opened.keywords(), "parameters": request.parameters, "memory": _MEMORY}
    for number in range(z.start, z.stop):
        best = None
        for plane in preview_slice(request.method, z=number, **options):
            if best is not None and z.stop - z.start == 1:
                yield best[None], False
            best = plane[y, x]
            if control.stop:
                break
        assert best is not None
        planes.append(best)
    yield np.stack(planes), True


def _write(opened: Opened, target: Path, region: Region, labels: npt.NDArray[Any]) -> None:
    """Write the region alone (.npy), or at its place in an array of the volume's shape."""
    if target.suffix in PLANES:
        stream = io.BytesIO()
        np.save(stream, labels)
        atomic_write_bytes(target, stream.getvalue())
        return
    from napari_densify.io import create_sink

    sink = create_sink(target, **opened.facts())
    try:
        sink.write(region, labels)
        sink.close()
    except BaseException:
        sink.abort()
        raise
