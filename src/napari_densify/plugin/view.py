"""Where the user is: the slice on screen, the part of it that can be seen, and moving there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.annotations.suggestion import PLANES
from napari_densify.core.blocks import Region, full_region

__all__ = [
    "ViewPoint",
    "axes_on_screen",
    "camera_of",
    "planes_beside",
    "visible_box",
    "voxel_on_screen",
]

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


def voxel_on_screen(viewer: Any, layer: Any) -> Triple:
    """Voxel (Z, Y, X) of a layer that the sliders stand at; outside of it where they pass it.

    The steps of the sliders don't tell: they count in the smallest voxels of all
    layers, from the first voxel of any.
    """
    z, y, x = (round(float(v)) for v in _voxel(viewer, layer, viewer.dims.point))
    return z, y, x


def _voxel(viewer: Any, layer: Any, point: Any) -> npt.NDArray[np.float64]:
    """Voxel (Z, Y, X) at a point of the world, not rounded; a 2D layer is slice 0."""
    place = np.asarray(point)[-layer.ndim :]  # shorter while layers are taken away
    voxel = layer.world_to_data(place * _units_of(viewer, layer)[-len(place) :])
    return np.pad(voxel, (3 - layer.ndim, 0))


def _units_of(viewer: Any, layer: Any) -> npt.NDArray[np.float64]:
    """Factors from the viewer's units, the smallest of all layers, to those of a layer."""
    units = getattr(viewer.dims, "units", None)  # older napari knows none
    if units is None or len(units) < layer.ndim:
        return np.ones(layer.ndim)
    pairs = zip(units[-layer.ndim :], layer.units, strict=True)
    return np.array([_ratio(mine, its) for mine, its in pairs])


def _ratio(mine: Any, its: Any) -> float:
    if mine == its or not mine.is_compatible_with(its):  # pixels and nm: napari takes 1 too
        return 1.0
    return float((1 * mine).to(its).magnitude)


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
    at = voxel_on_screen(viewer, layer)
    for axis in set(range(3)) - set(displayed):
        index = min(max(0, at[axis]), shape[axis] - 1)
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
    at = voxel_on_screen(viewer, layer)
    for axis in displayed:
        index = min(max(0, at[axis]), shape[axis] - 1)
        sides = [slice(index, index + 1) if i == axis else s for i, s in enumerate(box)]
        planes.append((sides[0], sides[1], sides[2]))
    return planes


def _spans(viewer: Any, layer: Any, displayed: tuple[int, ...]) -> list[tuple[float, float]]:
    """First and last voxel on screen along the displayed axes, not clipped."""
    camera = camera_of(viewer)
    corners = []
    for sign in (-0.5, 0.5):
        point = np.zeros(3)
        away = sign * np.asarray(_canvas_size(viewer), float) / camera.zoom
        point[list(displayed)] = np.asarray(camera.center)[-2:] + away
        corners.append(_voxel(viewer, layer, point))
    low, high = np.minimum(*corners), np.maximum(*corners)
    return [(low[axis], high[axis]) for axis in displayed]


def _clipped(span: tuple[float, float], length: int) -> slice:
    """Span within the volume; all of it where the user looks past it."""
    first, last = max(0, int(np.floor(span[0]))), min(length, int(np.ceil(span[1])) + 1)
    return slice(first, last) if first < last else slice(0, length)


class ViewPoint:
    """The slice on screen, in voxels of the image.

    Parameters
    ----------
    viewer
        Gives the napari viewer.
    image
        Gives the image layer; without one the sliders' steps are taken for voxels.
    """

    def __init__(self, viewer: Callable[[], Any], image: Callable[[], Any]) -> None:
        self._viewer, self._image = viewer, image

    def voxel(self) -> Triple:
        """Voxel (Z, Y, X) that the sliders stand at."""
        image = self._image()
        if image is not None:
            return voxel_on_screen(self._viewer(), image)
        z, y, x = (0, *self._viewer().dims.current_step)[-3:]
        return int(z), int(y), int(x)

    @property
    def z(self) -> int:
        """Z slice on screen."""
        return self.voxel()[0]

    def plane(self) -> tuple[str, int]:
        """Plane (``XY``, ``XZ``, ``YZ``) and number of the slice on screen."""
        dims = self._viewer().dims
        if dims.ndim < 3:
            return PLANES[0], 0
        axis = max(0, dims.order[-3] - (dims.ndim - 3))
        return PLANES[axis], self.voxel()[axis]

    def go_to(self, axis: str, index: int) -> None:
        """Show a slice; ``axis`` names its plane, ``XY``, ``XZ`` or ``YZ``."""
        dims = self._viewer().dims
        number = PLANES.index(axis)
        extra = dims.ndim - 3
        others = [i for i in range(3) if i != number]
        dims.order = (*range(extra), *(extra + i for i in (number, *others)))
        self.move(number, index)

    def move(self, axis: int, index: int) -> None:
        """Set the slider of an axis (0 is Z) to a voxel; the plane on screen stays."""
        viewer, image = self._viewer(), self._image()
        slider = axis + viewer.dims.ndim - 3
        if image is None:
            viewer.dims.set_current_step(slider, index)
        elif axis + image.ndim >= 3:
            viewer.dims.set_point(slider, self._world(axis, index))

    def reach(self, axis: int, length: int) -> tuple[float, float]:
        """Shares of a slider's way, from its first stop to its last, where the image ends.

        Its sides lie half a voxel outside its first and last slice, so below 0 and above 1
        unless other layers reach further.

        Parameters
        ----------
        axis
            0 is Z.
        length
            Voxels of the image along it.
        """
        dims, image = self._viewer().dims, self._image()
        start, stop, _ = dims.range[axis + dims.ndim - 3]
        if image is None or axis + image.ndim < 3 or stop <= start:
            half = 0.5 / max(1, length - 1)
            return -half, 1 + half
        sides = (self._world(axis, side) for side in (-0.5, length - 0.5))
        low, high = sorted((side - start) / (stop - start) for side in sides)
        return low, high

    def _world(self, axis: int, index: float) -> float:
        """Where a slider stands at a voxel of the image."""
        viewer, image = self._viewer(), self._image()
        voxel: list[float] = list(self.voxel())
        voxel[axis] = index
        world = image.data_to_world(voxel[-image.ndim :]) / _units_of(viewer, image)
        return float(world[axis - 3])
