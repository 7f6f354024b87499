"""Button that writes the prediction to a file of the user's choice, in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari.layers import Labels
from qtpy.QtWidgets import QPushButton
from superqt.utils import create_worker

from napari_densify.core.errors import InputError
from napari_densify.io import OUTPUT_SUFFIXES, open_labels
from napari_densify.plugin._writer import write_labels_layer
from napari_densify.plugin.results import SOURCE
from napari_densify.plugin.save_dialog import ask_file
from napari_densify.plugin.workbench import Workbench

__all__ = ["SaveLabels"]

KINDS = {"TIFF (*.tif)": ".tif", "OME-Zarr (*.zarr)": ".zarr"}


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
        """Show the button once the chosen round is predicted."""
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
        number = layer.metadata["densify"]["name"]
        start = project.path.with_name(f"{project.path.stem} round {number} labels")
        path = ask_file(self, "Save labels", start, KINDS, OUTPUT_SUFFIXES)
        if path is not None:
            self.save(layer, path)

    def save(self, layer: Labels, path: Path) -> None:
        """Write a layer; say when it is done, and what is missing in it, or why it isn't."""
        known = self.bench.session.require_project().document.spacing_known
        units = layer.units if known else ("pixel",) * layer.ndim  # an assumed size is no fact
        place = {"scale": layer.scale, "units": units, "metadata": layer.metadata}
        attributes = {**place, "multiscale": layer.multiscale}
        self._saving = True
        self.sync()
        worker = create_worker(
            _write, path, layer.data, attributes, layer.metadata.get(SOURCE), _ignore_errors=True
        )
        worker.returned.connect(lambda notes: self._end(*_say_saved(path, notes)))
        worker.errored.connect(lambda error: self._end(*_why_not(error, path)))
        worker.start()

    def _end(self, level: str, text: str) -> None:
        self._saving = False
        self.bench.session.said.emit(level, text)
        self.sync()


def _write(path: Path, data: Any, attributes: dict[str, Any], source: str | None) -> Sequence[str]:
    """Write a layer; return what is to be said of the prediction that it shows."""
    notes = open_labels(source).metadata["notes"] if source else ()
    write_labels_layer(str(path), data, attributes)
    return tuple(notes)


def _say_saved(path: Path, notes: Sequence[str]) -> tuple[str, str]:
    text = "; ".join([f"Saved {path}", *notes])
    return ("warning" if notes else "info"), text


def _why_not(error: Exception, path: Path) -> tuple[str, str]:
    refused = isinstance(error, InputError)
    return ("warning" if refused else "error"), str(error) if refused else f"{path}: {error}"
