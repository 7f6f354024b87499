"""Offers the labels that lie beside the image's file as annotations."""

from __future__ import annotations

from pathlib import PurePath

from qtpy.QtWidgets import QPushButton
from superqt.utils import create_worker

from napari_densify.io import find_labels
from napari_densify.plugin.importer import Importer

__all__ = ["LabelsBeside"]


class LabelsBeside(QPushButton):
    """Imports them, after a look; hidden where there are none.

    Parameters
    ----------
    importer
        Shows what was read before it is painted.
    """

    def __init__(self, importer: Importer) -> None:
        super().__init__()
        self.setObjectName("import-beside")
        self.setToolTip("Take over the labels that lie beside the image, after a look at them")
        self.importer = importer
        self.address = ""
        self.clicked.connect(self._import)
        self.hide()

    def sync(self) -> None:
        """Look, in a thread, what lies beside the image of the project."""
        project = self.importer.session.project
        self._show("")
        if project is not None and project.document.image.address:
            worker = create_worker(find_labels, project.document.image.address)
            worker.returned.connect(self._show)
            worker.start()

    def _show(self, address: str) -> None:
        self.address = address
        self.setText(f"Import {PurePath(address.partition('::')[0]).name}")
        self.setVisible(bool(address) and self.importer.session.project is not None)

    def _import(self) -> None:
        self.importer.painter.attempt(lambda: self.importer.open(self.address))
