"""Step 1: choose the volume, check its voxel size, say where the project lives."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
)

from napari_densify.core.errors import InputError
from napari_densify.plugin.candidates import Candidate, candidate_of, choose_part
from napari_densify.plugin.image_choice import ImageChoice
from napari_densify.plugin.layers import active_image
from napari_densify.plugin.opening import OpenRow
from napari_densify.plugin.step import Step, button, hint
from napari_densify.plugin.voxel_size import VoxelSize
from napari_densify.plugin.words import say_copy
from napari_densify.plugin.workbench import Workbench

__all__ = ["VolumeStep"]


class VolumeStep(Step):
    """Choose an Image layer, a file, a sample or an existing project."""

    title = "Volume"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self.setAcceptDrops(True)
        self._candidate: Candidate | None = None
        self._refusal = ""
        self._edited = False
        self.sources = OpenRow(bench)
        self.body.addWidget(self.sources)
        self._build_form()
        self._build_end()
        self._sync_layers()
        self._sync()
        self.listen(self.viewer.layers.events.inserted, self._sync_layers)
        self.listen(self.viewer.layers.events.removed, self._sync_layers)
        self.listen(self.viewer.layers.selection.events.active, self._follow_active)
        self.listen(self.session.project_changed, self._sync)
        self.listen(bench.busy_changed, self._sync)

    @property
    def viewer(self) -> Any:
        """The viewer that this step works in."""
        return self.bench.canvas.viewer

    # build

    def _build_form(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.layer = QComboBox()
        self.layer.setObjectName("image-layer")
        self.layer.setToolTip("Image layer to work on")
        self.layer.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.layer.currentIndexChanged.connect(self._layer_chosen)
        self.facts = hint("")
        self.size = VoxelSize()
        self.size.edited.connect(self._size_edited)
        self.folder = QLineEdit()
        self.folder.setObjectName("project-folder")
        self.folder.setToolTip("Folder in which strokes, models and predictions are kept")
        self.folder.textEdited.connect(lambda _: self._sync())
        choose = button("…", "Choose where the project folder is made", self._ask_folder)
        choose.setFixedWidth(28)
        place = QHBoxLayout()
        place.setContentsMargins(0, 0, 0, 0)
        place.addWidget(self.folder)
        place.addWidget(choose)
        self._choose = choose
        form.addRow("Image", self.layer)
        form.addRow("", self.facts)
        self.part = ImageChoice()
        self.part.changed.connect(self._part_chosen)
        form.addRow(self.part)
        form.addRow("Voxel (nm)", self.size)
        form.addRow("Project", place)
        self.body.addLayout(form)

    def _build_end(self) -> None:
        self.note = hint("", name="volume-note")
        self.start = button(
            "Create project",
            "Make the project folder and start to paint",
            self._start,
            name="create-project",
        )
        self.close_project = button(
            "Close project", "Put the project away; everything is saved", self.bench.close_project
        )
        self.body.addWidget(self.note)
        self.body.addWidget(self.start)
        self.body.addWidget(self.close_project)

    # sync

    def _sync_layers(self, event: Any = None) -> None:
        chosen = self.layer.currentData()
        self.layer.blockSignals(True)
        self.layer.clear()
        for layer in self.viewer.layers:
            if isinstance(layer, Image):
                self.layer.addItem(layer.name, layer)
        self.layer.blockSignals(False)
        self._choose_layer(self.bench.canvas.image_layer or chosen or active_image(self.viewer))

    def _follow_active(self, event: Any = None) -> None:
        active = self.viewer.layers.selection.active
        if self.session.project is None and isinstance(active, Image):
            self._choose_layer(active)

    def _choose_layer(self, layer: Any) -> None:
        index = next((i for i in range(self.layer.count()) if self.layer.itemData(i) is layer), -1)
        if index >= 0:
            self.layer.blockSignals(True)
            self.layer.setCurrentIndex(index)
            self.layer.blockSignals(False)
        self._layer_chosen()

    def _layer_chosen(self) -> None:
        layer = self.layer.currentData()
        before = self._candidate
        self._candidate, self._refusal = None, ""
        if layer is not None:
            try:
                self._candidate = candidate_of(layer)
            except InputError as error:
                self._refusal = str(error)
        if self.session.project is None and _is_new(self._candidate, before):
            self._edited = False
            self.folder.setText(str(self._candidate.folder))
            self.size.show_value(self._candidate.spacing)
            self._offer_parts(layer)
        self._sync()

    def _offer_parts(self, layer: Any) -> None:
        """Offer the channels and levels of the file that the layer shows a part of."""
        meta = layer.metadata
        source, shown = meta.get("densify_source"), meta.get("densify_channel")
        channels = {
            x.metadata["densify_channel"]: x.name
            for x in self.viewer.layers
            if shown is not None and x.metadata.get("densify_source") == source
        }
        levels = [x.shape for x in layer.data] if source and layer.multiscale else []
        self.part.show_choice(channels, shown or 0, levels)

    def _part_chosen(self) -> None:
        layer, level = self.layer.currentData(), self.part.level()
        if layer is not None:
            self.bench.attempt(self._take_level, layer, level)
        self._sync()

    def _take_level(self, layer: Any, level: int) -> None:
        self._candidate = choose_part(candidate_of(layer), (), level)
        if not self._edited:
            self.size.show_value(self._candidate.spacing)

    def _sync(self, *_: Any) -> None:
        project, candidate = self.session.project, self._candidate
        opened, busy = project is not None, bool(self.bench.busy)
        self.start.setVisible(not opened)
        self.close_project.setVisible(opened)
        self.sources.setVisible(not opened)
        for widget in (self.sources, self.layer, self.folder, self._choose, self.part):
            widget.setEnabled(not opened and not busy)
        self.size.setEnabled(opened or candidate is not None)
        if project is not None:
            self.folder.setText(str(project.path))
            self.size.show_value(project.spacing)
        exists = self._exists()
        self.start.setText("Open project" if exists else "Create project")
        self.start.setEnabled(not busy and (exists or candidate is not None))
        self.facts.setText(candidate.describe() if candidate else "")
        self.facts.setVisible(candidate is not None)
        self.note.setText(self._say())
        self.note.setVisible(bool(self.note.text()))

    def _exists(self) -> bool:
        text = self.folder.text().strip()
        return bool(text) and (Path(text) / "project.json").is_file()

    def _say(self) -> str:
        if self.bench.busy:
            return self.bench.busy
        project, candidate = self.session.project, self._candidate
        if project is not None:
            known = project.document.spacing_known
            return "" if known else "The voxel size is assumed: enter it above if you know it."
        if candidate is None:
            return self._refusal
        notes = []
        if self._exists():
            notes.append("This project exists already: its strokes will be there.")
        elif not candidate.address:
            notes.append(say_copy(candidate.nbytes, self._free()))
        if not candidate.spacing_known and not self._edited:
            notes.append("The image states no voxel size: please enter it above.")
        return " ".join(notes)

    def _free(self) -> int:
        """Bytes that are free where the project is to be made."""
        folder = Path(self.folder.text().strip()).absolute()
        return shutil.disk_usage(next(p for p in folder.parents if p.exists())).free

    # clicks

    def _size_edited(self) -> None:
        self._edited = True
        if self.session.project is not None:
            self.bench.attempt(self.session.set_spacing, self.size.value())
        self._sync()

    def _start(self) -> None:
        folder = Path(self.folder.text().strip())
        layer = self.layer.currentData()
        if self._exists():
            self.bench.open_project(folder, layer if self._candidate is not None else None)
            return
        spacing = self.size.value() if self._edited else None
        channels = self.part.channels()
        if self.part.boxes and not channels:
            self.session.said.emit("warning", "no channel is ticked: tick at least one")
            return
        chosen = {"channels": channels, "level": self.part.level()}
        self.bench.attempt(partial(self.bench.create_project, layer, folder, spacing, **chosen))

    def _ask_folder(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Project folder", self.folder.text(), "Densify project (*.densify)"
        )
        if path:
            name = path if path.endswith(".densify") else f"{path}.densify"
            self.folder.setText(name)
            self._sync()

    def open_path(self, path: str) -> None:
        """Open a file, a folder of slices or a project."""
        self.sources.open_path(path)

    def open_sample(self, key: str) -> None:
        """Open the image of a bundled volume."""
        self.sources.open_sample(key)

    def dragEnterEvent(self, event: Any) -> None:
        """Take files and folders."""
        if event.mimeData().hasUrls() and self.session.project is None:
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        """Open what was dropped."""
        for url in event.mimeData().urls():
            self.open_path(url.toLocalFile())
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()


def _is_new(candidate: Candidate | None, before: Candidate | None) -> bool:
    return candidate is not None and (before is None or before.array is not candidate.array)
