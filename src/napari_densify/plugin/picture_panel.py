"""Looking at results: side by side, in turns, what differs, contours, objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QFormLayout, QGridLayout, QPushButton

from napari_densify.core.errors import InputError
from napari_densify.core.requests import InstancesRequest
from napari_densify.plugin.grid import SHOWN, set_side_by_side
from napari_densify.plugin.layers import (
    add_quietly,
    find_layer,
    grid_of,
    mark_layer,
    place_like,
    protect,
)
from napari_densify.plugin.pictures import DIFFERENT, ONLY_FIRST, ONLY_SECOND, Difference
from napari_densify.plugin.results import SOURCE
from napari_densify.plugin.step import Step, button, hint, narrow
from napari_densify.plugin.swipe import Swipe
from napari_densify.plugin.workbench import Workbench

__all__ = ["PicturePanel"]

FLICKER_MS = 600
_CONTOUR = 2
_COLORS = {ONLY_FIRST: "#ee7733", ONLY_SECOND: "#33bbee", DIFFERENT: "#cc3311"}
_COLORMAP = DirectLabelColormap(
    color_dict={None: "transparent", 0: "transparent", **_COLORS},
)


class PicturePanel(Step):
    """Pictures of two label layers of the viewer, whatever they come from."""

    title = "Pictures"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._before: dict[Labels, bool] = {}
        self._turns: tuple[Labels, ...] = ()
        self._build_choices()
        self._build_buttons()
        self.legend = hint("", name="legend")
        self.swipe = Swipe(bench, self.layers)
        self.body.addWidget(self.swipe)
        self.body.addWidget(self.legend)
        self._timer = QTimer(self)
        self._timer.setInterval(FLICKER_MS)
        self._timer.timeout.connect(self._take_turns)
        layers = bench.canvas.viewer.layers
        for signal in (layers.events.inserted, layers.events.removed):
            self.listen(signal, self._sync)
        self.listen(self.session.project_changed, self._sync)
        self.listen(self.session.classes_changed, self._sync_classes)
        self.listen(self.session.job_changed, self._sync_job)
        self._sync_classes()
        self._sync()

    def _build_choices(self) -> None:
        self.first, self.second, self.value = QComboBox(), QComboBox(), QComboBox()
        rows = (
            (self.first, "Result", "Labels to look at"),
            (self.second, "Against", "Labels to hold it against: another result, paint, a truth"),
            (self.value, "Class", "Class whose differences are shown"),
        )
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for box, title, tip in rows:
            box.setObjectName(f"picture-{title.lower()}")
            box.setToolTip(tip)
            narrow(box)
            box.currentIndexChanged.connect(self._chosen)
            form.addRow(title, box)
        self.body.addLayout(form)

    def _build_buttons(self) -> None:
        rows = (
            ("grid", "Side by side", "Image and labels of each result in a grid", self._grid),
            ("flicker", "Flicker", "Show the two in turns, at the same place", self._flicker),
            ("swipe", "Swipe", "The two on both sides of a line that a slider moves", self._swipe),
            ("differ", "Differences", "A layer of where the two differ", self._differ),
            ("contours", "Contours", "Outlines over the image in place of areas", self._contours),
        )
        layout = QGridLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        self.buttons: dict[str, QPushButton] = {}
        for number, (name, text, tip, action) in enumerate(rows):
            made = button(text, tip, action)
            made.setCheckable(True)
            layout.addWidget(made, number // 2, number % 2)
            self.buttons[name] = made
        self.objects = button(
            "Objects",
            "Give each object of the result its own id, in a layer beside its classes",
            self._objects,
        )
        layout.addWidget(self.objects, 2, 1)
        self.body.addLayout(layout)

    # sync

    def _sync(self, *_: Any) -> None:
        """Offer the label layers that fit the volume."""
        if self.bench.canvas.viewer is None:
            return
        found = self.layers()
        self.setEnabled(self.session.project is not None)
        for box, start in ((self.first, 0), (self.second, 1)):
            kept = box.currentData()
            box.blockSignals(True)
            box.clear()
            for layer in found:
                box.addItem(layer.name, layer)
            index = next((i for i, layer in enumerate(found) if layer is kept), start)
            box.setCurrentIndex(min(index, len(found) - 1))
            box.blockSignals(False)
        for name in ("flicker", "swipe", "differ"):
            self.buttons[name].setEnabled(len(found) > 1)
        self.buttons["grid"].setChecked(bool(grid_of(self.bench.canvas.viewer).enabled))
        self._drop_stale()
        self._sync_job()

    def _sync_job(self, *_: Any) -> None:
        self.objects.setEnabled(self.session.job is None)

    def _sync_classes(self, *_: Any) -> None:
        chosen = self.value.currentData()
        self.value.blockSignals(True)
        self.value.clear()
        self.value.addItem("all", 0)
        for row in self.session.classes.classes:
            self.value.addItem(row.name, row.value)
        if chosen is None and len(self.session.classes) == 2:
            chosen = next(c.value for c in self.session.classes.classes[::-1] if not c.background)
        self.value.setCurrentIndex(max(0, self.value.findData(chosen)))
        self.value.blockSignals(False)

    def layers(self) -> list[Labels]:
        """Label layers of the volume, results first, then paint and what the user brought."""
        if self.session.project is None:
            return []
        fitting = [
            layer
            for layer in self.bench.canvas.viewer.layers
            if isinstance(layer, Labels)
            and _role(layer) not in ("picture", "instances")
            and tuple(_array(layer).shape) == self.session.shape
        ]
        order = {"prediction": 0, "method": 1, "preview": 2}
        return sorted(fitting, key=lambda layer: order.get(_role(layer), 3))

    def pair(self) -> tuple[Labels, Labels]:
        """Return the two chosen layers.

        Raises
        ------
        InputError
            If there are no two.
        """
        first, second = self.first.currentData(), self.second.currentData()
        if first is None or second is None or first is second:
            raise InputError(
                "two different label layers are needed", mend="choose them under Result and Against"
            )
        return first, second

    # clicks

    def _chosen(self, *_: Any) -> None:
        if self.buttons["flicker"].isChecked():
            self._stop_flicker()
            self.buttons["flicker"].setChecked(self.bench.attempt(self._start_flicker))
        if self.buttons["swipe"].isChecked():
            self._swipe()
        if self.buttons["differ"].isChecked():
            self.bench.attempt(self._show_difference)

    def _grid(self) -> None:
        on = self.buttons["grid"].isChecked()
        set_side_by_side(self.bench.canvas, on)
        # Layers came and went meanwhile, before the grid was switched.
        self.buttons["grid"].setChecked(on)

    def _flicker(self) -> None:
        if not self.buttons["flicker"].isChecked():
            self._stop_flicker()
        elif not self.bench.attempt(self._start_flicker):
            self.buttons["flicker"].setChecked(False)

    def _swipe(self) -> None:
        if self.buttons["swipe"].isChecked():
            self.buttons["swipe"].setChecked(self.bench.attempt(self._start_swipe))
        else:
            self.swipe.stop()
            self.legend.setText("")

    def _start_swipe(self) -> None:
        pair = self.pair()
        self._end("flicker")
        self._end("differ")
        self.legend.setText(self.swipe.start(*pair))

    def _end(self, name: str) -> None:
        """Release a button that another one replaces."""
        if self.buttons[name].isChecked():
            self.buttons[name].setChecked(False)
            {"flicker": self._stop_flicker, "swipe": self._swipe, "differ": self._differ}[name]()

    def _start_flicker(self) -> None:
        pair = self.pair()
        self._end("swipe")
        self._turns = pair
        self._before = {layer: layer.visible for layer in self.layers()}
        for layer in self._before:
            layer.visible = layer is pair[0]
        self._timer.start()

    def _take_turns(self) -> None:
        first, second = self._turns
        first.visible, second.visible = not first.visible, first.visible

    def _stop_flicker(self) -> None:
        self._timer.stop()
        for layer, visible in self._before.items():
            layer.visible = visible
        self._before, self._turns = {}, ()

    def _differ(self) -> None:
        if not self.buttons["differ"].isChecked():
            self.bench.canvas.remove_layers("picture")
            self.legend.setText("")
        elif not self.bench.attempt(self._show_difference):
            self.buttons["differ"].setChecked(False)

    def _show_difference(self) -> None:
        first, second = self.pair()
        self._end("swipe")
        data = Difference(_array(first), _array(second), self.value.currentData() or 0)
        title = f"{first.name} ≠ {second.name}"
        canvas = self.bench.canvas
        layer = find_layer(canvas.viewer, "picture", "difference")
        if layer is None:
            layer = Labels(
                data,
                name=title,
                colormap=_COLORMAP,
                opacity=0.8,
                **place_like(canvas.image_layer, self.session.require_project().spacing),
            )
            mark_layer(layer, "picture", "difference")
            protect(layer)
            add_quietly(canvas.viewer, layer, below=canvas.paint_layer)
        else:
            layer.data, layer.name = data, title
        self.legend.setText(self._say_legend(first, second))

    def _say_legend(self, first: Labels, second: Labels) -> str:
        value = self.value.currentData()
        if not value:
            return f"{_square(DIFFERENT)} another class"
        name = self.session.classes.name(value)
        if _role(second) in SHOWN and _role(second) != "paint":
            words = (f"{name} in {first.name} alone", f"{name} in {second.name} alone")
        else:
            words = (f"false positive ({name})", f"false negative ({name})")
        return f"{_square(ONLY_FIRST)} {words[0]}<br>{_square(ONLY_SECOND)} {words[1]}"

    def _contours(self) -> None:
        width = _CONTOUR if self.buttons["contours"].isChecked() else 0
        for layer in self.layers():
            if _role(layer) != "paint":
                layer.contour = width

    def _objects(self) -> None:
        self.bench.attempt(self._ask_for_objects)

    def _ask_for_objects(self) -> None:
        """Send the chosen result to be separated into objects.

        Raises
        ------
        InputError
            If it is no result on disk, or the engine is busy.
        """
        self.session.require_idle()
        layer = self.first.currentData()
        source = "" if layer is None else layer.metadata.get(SOURCE, "")
        if not source or _role(layer) not in ("prediction", "method"):
            raise InputError("objects are made of results", mend="choose a result above")
        folder = self.session.require_project().path / "objects"
        self.bench.submit(
            InstancesRequest(prediction=source, output=str(folder / f"{Path(source).stem}.zarr"))
        )

    def _drop_stale(self) -> None:
        """End what shows layers that are gone."""
        if self.swipe.stale:
            self._end("swipe")
        if self._turns and not set(self._turns) <= set(self.layers()):
            self._end("flicker")
        layer = find_layer(self.bench.canvas.viewer, "picture", "difference")
        if layer is None and self.buttons["differ"].isChecked():
            self.buttons["differ"].setChecked(False)
            self.legend.setText("")

    def let_go(self) -> None:
        """Give layers back the visibility that they had."""
        self._stop_flicker()
        self._end("swipe")
        super().let_go()


def _array(layer: Labels) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def _role(layer: Any) -> str:
    return str(layer.metadata.get("densify", {}).get("role", ""))


def _square(code: int) -> str:
    return f'<span style="color: {_COLORS[code]};">■</span>'
