"""Button that writes the prediction to a file of the user's choice, in a thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Labels
from qtpy.QtWidgets import QFileDialog, QPushButton
from superqt.utils import create_worker

from napari_densify.core.errors import InputError
from napari_densify.io import OUTPUT_SUFFIXES
from napari_densify.plugin._writer import write_labels_layer
from napari_densify.plugin.workbench import Workbench

__all__ = ["SaveLabels"]

KINDS = "TIFF (*.tif);;OME-Zarr (*.zarr)"


class SaveLabels(QPushButton):
    """Writes the labels of the chosen round, with class names, colours and voxel size.

    Parameters
    ----------
    bench
        Session and viewer.
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__("Save labels…")
        self.bench = bench
        self.setObjectName("save-labels")
        self.setToolTip("Write the prediction to a TIFF or OME-Zarr that other programs open")
        self.clicked.connect(self._ask)
        self._saving = False

    def sync(self, *_: Any) -> None:
        """Show the button once there is something whole to save."""
        layer = self.bench.canvas.prediction_layer
        opened = self.bench.session.project is not None
        self.setVisible(opened and layer is not None)
        self.setEnabled(self.bench.session.job is None and not self._saving)
        self.setText("Saving…" if self._saving else "Save labels…")

    def _ask(self) -> None:
        layer = self.bench.canvas.prediction_layer
        project = self.bench.session.project
        if layer is None or project is None:
            return
        start = project.path.with_name(f"{project.path.stem} labels.tif")
        path, kind = QFileDialog.getSaveFileName(self, "Save labels", str(start), KINDS)
        if path:
            ending = ".zarr" if "zarr" in kind else ".tif"
            known = path.endswith(tuple(OUTPUT_SUFFIXES))
            self.save(layer, Path(path if known else f"{path}{ending}"))

    def save(self, layer: Labels, path: Path) -> None:
        """Write a layer; say when it is done, or why it isn't."""
        place = {"scale": layer.scale, "units": layer.units, "metadata": layer.metadata}
        attributes = {**place, "multiscale": layer.multiscale}
        self._saving = True
        self.sync()
        worker = create_worker(
            write_labels_layer, str(path), layer.data, attributes, _ignore_errors=True
        )
        worker.returned.connect(lambda _: self._end("info", f"Saved {path}"))
        worker.errored.connect(lambda error: self._end(*_why_not(error, path)))
        worker.start()

    def _end(self, level: str, text: str) -> None:
        self._saving = False
        self.bench.session.said.emit(level, text)
        self.sync()


def _why_not(error: Exception, path: Path) -> tuple[str, str]:
    refused = isinstance(error, InputError)
    return ("warning" if refused else "error"), str(error) if refused else f"{path}: {error}"
