"""Where the user is: the slice on screen, the part of it that can be seen, and moving there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_densify.annotations.suggestion import AXES
from napari_densify.core.blocks import Region, full_region

__all__ = ["ViewPoint", "axes_on_screen", "camera_of", "planes_beside", "visible_box"]

Triple = tuple[int, int, int]


def camera_of(viewer: Any) -> Any:
    """Return the viewer's camera, wherever this napari keeps it."""
    scene = getattr(viewer, "scene", None)
    return scene.camera if scene is not None else viewer.camera


def _canvas_size(viewer: Any) -> tuple[float, float]:
    """Height and width in pixels of the part of the canvas that shows one layer."""
    canvas = getattr(viewer, "canvas", None)
    if canvas is None:  # napari before 0.6.5
        return viewer._canvas_size
    if canvas.grid.enabled:
        return canvas.viewbox_size(viewer.layers)
    return canvas.size


def axes_on_screen(viewer: Any) -> tuple[int, ...]:
    """Axes (0 is Z) of the plane on screen, top to bottom first; three of them in the 3D view."""
    extra = viewer.dims.ndim - 3
    return tuple(axis - extra for axis in viewer.dims.displayed if axis >= extra)


def visible_box(viewer: Any, layer: Any, shape: Triple) -> Region:
    """Voxels that are on screen: of one slice in 2D, of the whole volume in the 3D view.

    Parameters
    ----------
    viewer
        napari viewer.
    layer
        Layer that tells where voxels are: its place, scale and units.
    shape
        Voxels along Z, Y, X.
    """
    displayed = axes_on_screen(viewer)
    if len(displayed) == 3:
        return full_region(shape)
    box = [slice(0, n) for n in shape]
    for axis in set(range(3)) - set(displayed):
        index = int(viewer.dims.current_step[axis + viewer.dims.ndim - 3])
        index = min(max(0, index), shape[axis] - 1)
        box[axis] = slice(index, index + 1)
    for axis, span in zip(displayed, _spans(viewer, layer, displayed), strict=True):
        box[axis] = _clipped(span, shape[axis])
    z, y, x = box
    return z, y, x


def planes_beside(viewer: Any, layer: Any, shape: Triple) -> list[Region]:
    """Planes through the viewer's point across the one on screen; none in the 3D view.

    They are what the viewer shows when its axes are rolled: as wide as the part on
    screen, and along the axis of the slider as long as the volume.
    """
    displayed = axes_on_screen(viewer)
    if len(displayed) != 2:
        return []
    box: list[slice] = list(visible_box(viewer, layer, shape))
    planes: list[Region] = []
    hidden = next(axis for axis in range(3) if axis not in displayed)
    box[hidden] = slice(0, shape[hidden])
    for axis in displayed:
        index = int(viewer.dims.current_step[axis + viewer.dims.ndim - 3])
        index = min(max(0, index), shape[axis] - 1)
        sides = [slice(index, index + 1) if i == axis else s for i, s in enumerate(box)]
        planes.append((sides[0], sides[1], sides[2]))
    return planes


def _spans(viewer: Any, layer: Any, displayed: tuple[int, ...]) -> list[tuple[float, float]]:
    """First and last voxel on screen along the displayed axes, not clipped."""
    camera = camera_of(viewer)
    corners = []
    for sign in (-0.5, 0.5):
        point = np.zeros(layer.ndim)
        away = sign * np.asarray(_canvas_size(viewer), float) / camera.zoom
        point[[axis + layer.ndim - 3 for axis in displayed]] = np.asarray(camera.center)[-2:] + away
        corners.append(np.asarray(layer.world_to_data(point))[-3:])
    low, high = np.minimum(*corners), np.maximum(*corners)
    return [(low[axis], high[axis]) for axis in displayed]


def _clipped(span: tuple[float, float], length: int) -> slice:
    """Span within the volume; all of it where the user looks past it."""
    first, last = max(0, int(np.floor(span[0]))), min(length, int(np.ceil(span[1])) + 1)
    return slice(first, last) if first < last else slice(0, length)


class ViewPoint:
    """The slice on screen.

    Parameters
    ----------
    viewer
        Gives the napari viewer.
    """

    def __init__(self, viewer: Callable[[], Any]) -> None:
        self._viewer = viewer

    @property
    def z(self) -> int:
        """Z slice on screen."""
        step = self._viewer().dims.current_step
        return int(step[-3]) if len(step) >= 3 else 0

    def plane(self) -> tuple[str, int]:
        """Plane (``XY``, ``XZ``, ``YZ``) and number of the slice on screen."""
        dims = self._viewer().dims
        if dims.ndim < 3:
            return AXES[0], 0
        axis = dims.order[-3]
        return AXES[max(0, axis - (dims.ndim - 3))], int(dims.current_step[axis])

    def go_to(self, axis: str, index: int) -> None:
        """Show a slice; ``axis`` names its plane, ``XY``, ``XZ`` or ``YZ``."""
        dims = self._viewer().dims
        number = AXES.index(axis)
        extra = dims.ndim - 3
        others = [i for i in range(3) if i != number]
        dims.order = (*range(extra), *(extra + i for i in (number, *others)))
        dims.set_current_step(extra + number, index)
