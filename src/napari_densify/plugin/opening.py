"""Buttons that open something: a file, a bundled sample, an existing project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QWidget

from napari_densify.core.errors import InputError
from napari_densify.data import sample_files
from napari_densify.io import can_open
from napari_densify.plugin.candidates import CLASSES, PAINT
from napari_densify.plugin.image_finder import ImageFinder
from napari_densify.plugin.step import button
from napari_densify.plugin.workbench import Workbench

__all__ = ["OpenRow"]

PLUGIN = "napari-densify"
SAMPLES = {"fibsem": "FIB-SEM of fly brain", "nuclei": "Confocal plant nuclei"}


class OpenRow(QWidget):
    """One row of buttons; what they open goes into the viewer.

    Parameters
    ----------
    bench
        Whose viewer it is.
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench = bench
        self.finder = ImageFinder(bench, self)
        self.file = button("Open file…", "Open an image file or a zarr", self._ask_file)
        self.sample = button("Open sample", "A small real volume to try things on", lambda: None)
        self.project = button(
            "Open project…", "Go on with a project folder (NAME.densify)", self._ask_project
        )
        menu = QMenu(self.sample)
        for key, title in SAMPLES.items():
            menu.addAction(title, lambda key=key: self.open_sample(key))
            menu.addAction(
                f"{title}, painted already", lambda key=key: self.open_sample(key, painted=True)
            )
        self.sample.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.file, self.sample, self.project):
            row.addWidget(widget)

    def open_path(self, path: str) -> None:
        """Open a file, a folder of slices or a project."""
        if (Path(path) / "project.json").is_file():
            self.bench.open_project(Path(path))
        else:
            self.bench.attempt(self._open, Path(path))

    def _open(self, path: Path, **attributes: Any) -> None:
        if not path.exists():
            raise InputError("there is no such file", where=str(path))
        if not can_open(str(path)):
            raise InputError(
                "this is no volume that Densify reads",
                where=path.name,
                mend="save it as TIFF or OME-Zarr",
            )
        self.bench.canvas.viewer.open(str(path), plugin=PLUGIN, **attributes)

    def open_sample(self, key: str, *, painted: bool = False) -> None:
        """Open the image of a bundled volume; a project of it may begin with the paint bundled."""
        files = sample_files(key)
        classes = files.classes.model_dump(mode="json")
        for layer in self.bench.canvas.viewer.open(str(files.image), plugin=PLUGIN, name=key):
            layer.metadata[CLASSES] = classes
            if painted:
                layer.metadata[PAINT] = str(files.annotations)

    def _ask_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a volume")
        if path:
            self.open_path(path)

    def _ask_project(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a project folder (NAME.densify)")
        if path:
            self.bench.open_project(Path(path))
