"""A project whose image was moved: ask where it is now, and open the project then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget
from superqt.utils import create_worker

from napari_densify.core.errors import InputError
from napari_densify.plugin.workbench import Workbench
from napari_densify.project import Project

__all__ = ["ImageFinder"]


class ImageFinder(QObject):
    """Asks in a dialog; one for each place from which projects are opened.

    Parameters
    ----------
    bench
        Opens the project in the end.
    parent
        Widget over which the questions appear.
    """

    def __init__(self, bench: Workbench, parent: QWidget) -> None:
        super().__init__(parent)
        self.bench = bench
        self._parent = parent
        bench.image_elsewhere.connect(self.ask)

    def ask(self, folder: Path, error: InputError) -> None:
        """Ask where the image of a project is."""
        if not self._parent.isVisible():
            return  # another dock asks
        box = QMessageBox(self._parent)
        box.setObjectName("image-elsewhere")
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(folder.name)
        box.setText(f"{error.where}\n{error.what}.\n\nWhere is the image now?")
        box.setInformativeText("The strokes are safe; an image with other voxels is refused.")
        file = box.addButton("Find file…", QMessageBox.ButtonRole.AcceptRole)
        directory = box.addButton("Find folder…", QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.buttonClicked.connect(lambda b: self._answered(folder, b is file, b is directory))
        box.open()

    def _answered(self, folder: Path, file: bool, directory: bool) -> None:
        path = ""
        if file:
            path, _ = QFileDialog.getOpenFileName(self._parent, f"Image of {folder.name}")
        elif directory:
            path = QFileDialog.getExistingDirectory(self._parent, f"Image of {folder.name}")
        if path:
            self.relocate(folder, path)

    def relocate(self, folder: Path, address: str) -> None:
        """Tell the project, in a thread, where its image is, and open it."""
        worker = create_worker(_relocate, folder, address, _ignore_errors=True)
        worker.returned.connect(lambda _: self.bench.open_project(folder))
        worker.errored.connect(lambda error: self.bench.session.said.emit("error", str(error)))
        worker.start()


def _relocate(folder: Path, address: str) -> Any:
    with Project.open(folder) as project:
        project.relocate_image(address)
