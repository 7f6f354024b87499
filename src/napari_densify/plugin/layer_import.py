"""Annotations of other layers: Labels, and Shapes and Points drawn into voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer, Points, Shapes
from qtpy.QtWidgets import QMenu, QPushButton

from napari_densify.core.errors import InputError
from napari_densify.core.volume import Volume
from napari_densify.io import Drawing, ImportSource, drawing_source, scan_labels
from napari_densify.plugin.candidates import stack_of
from napari_densify.plugin.importer import Importer
from napari_densify.project import require_import_shape

__all__ = ["LayerImport", "importable", "source_of"]


_CLASS_COLUMNS = ("class", "label", "name")


def importable(layer: Layer) -> bool:
    """Whether a layer holds annotations that can be imported: the user's own, not ours."""
    return isinstance(layer, Labels | Points | Shapes) and "densify" not in layer.metadata


def source_of(layer: Layer, image: Layer, shape: tuple[int, int, int]) -> ImportSource:
    """List what a Labels, Shapes or Points layer holds, in voxels of the image.

    Raises
    ------
    InputError
        If it is empty, lies across slices, or belongs to another volume.
    """
    if isinstance(layer, Labels):
        volume = Volume(stack_of(layer), source=layer.name)
        require_import_shape(volume, shape)
        return scan_labels(volume)
    drawn = _points(layer, image) if isinstance(layer, Points) else _shapes(layer, image)
    kind = "napari points" if isinstance(layer, Points) else "napari shapes"
    return drawing_source(drawn, shape, kind=kind, source=layer.name)


def _shapes(layer: Shapes, image: Layer) -> list[Drawing]:
    colors = [_hex(c) for c in layer.face_color]
    widths = np.ravel(layer.edge_width)
    rows = zip(layer.data, layer.shape_type, _keys(layer, colors), colors, widths, strict=True)
    return [
        Drawing(kind, _voxels(corners, layer, image), key, color, float(width))
        for corners, kind, key, color, width in rows
    ]


def _points(layer: Points, image: Layer) -> list[Drawing]:
    colors = [_hex(c) for c in layer.face_color]
    rows = zip(layer.data, _keys(layer, colors), colors, layer.size, strict=True)
    return [
        Drawing("point", _voxels(point[None], layer, image), key, color, float(size))
        for point, key, color, size in rows
    ]


def _keys(layer: Shapes | Points, colors: list[str]) -> list[str]:
    """Tell classes apart: by a feature of that name, else the colour, else the layer."""
    for column in _CLASS_COLUMNS:
        if column in layer.features:
            return [str(value) for value in layer.features[column]]
    return colors if len(set(colors)) > 1 else [layer.name] * len(colors)


def _hex(color: Any) -> str:
    return "#" + bytes(round(255 * float(c)) for c in color[:3]).hex()


def _voxels(corners: Any, layer: Layer, image: Layer) -> npt.NDArray[np.float64]:
    """Coordinates of a drawing in voxels (Z, Y, X); of a 2D layer, on slice 0."""
    world = np.array([layer.data_to_world(corner) for corner in np.atleast_2d(corners)])
    scale, offset = (np.asarray(v)[-world.shape[1] :] for v in (image.scale, image.translate))
    voxels = (world - offset) / scale
    return np.pad(voxels, ((0, 0), (3 - voxels.shape[1], 0)))


class LayerImport(QPushButton):
    """Lists the layers that annotations can be taken from; hidden while there are none.

    Parameters
    ----------
    importer
        Shows what was read before it is painted.
    """

    def __init__(self, importer: Importer) -> None:
        super().__init__("Import from a layer")
        self.setObjectName("import-from-layer")
        self.setToolTip("Take over another Labels layer, or draw Shapes and Points into voxels")
        self.importer = importer
        self._menu = QMenu(self)
        self.setMenu(self._menu)
        self._menu.aboutToShow.connect(self.sync)
        self.sync()

    def sync(self, event: Any = None) -> None:
        """List what there is now."""
        self._menu.clear()
        layers = [x for x in self.importer.painter.canvas.viewer.layers if importable(x)]
        for layer in layers:
            self._menu.addAction(layer.name, lambda x=layer: self.open(x))
        self.setVisible(bool(layers))

    def open(self, layer: Layer) -> None:
        """Read a layer and show what it becomes."""
        self.importer.painter.attempt(lambda: self._read(layer))

    def _read(self, layer: Layer) -> None:
        canvas, session = self.importer.painter.canvas, self.importer.session
        shape = session.require_project().shape
        if canvas.image_layer is None:
            raise InputError("the image has no layer", mend="open the project again")
        self.importer.painter.require_layer()
        if isinstance(layer, Labels):  # as large as the volume
            self.importer.look(source_of, layer, canvas.image_layer, shape)
        else:
            self.importer.show(source_of(layer, canvas.image_layer, shape))
