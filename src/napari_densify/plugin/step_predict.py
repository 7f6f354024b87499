"""Step 4: predict the whole volume, or a part of it, with a trained round."""

from __future__ import annotations

import shutil
from math import prod
from typing import Any

from qtpy.QtWidgets import QCheckBox, QHBoxLayout

from napari_densify.core.blocks import parse_region, region_shape
from napari_densify.core.errors import InputError
from napari_densify.plugin.form import SettingsForm
from napari_densify.plugin.job_bar import JobBar
from napari_densify.plugin.rounds_panel import RoundsPanel
from napari_densify.plugin.saving import SaveLabels
from napari_densify.plugin.step import Step, button, collapsible, hint
from napari_densify.plugin.words import say_prediction
from napari_densify.plugin.workbench import Workbench

__all__ = ["PredictStep"]

BASIC = ("region", "device")
EXTRAS = (
    ("probabilities", "Probabilities", "Also a layer with the probability of each class"),
    ("uncertainty", "Uncertainty", "Also a layer that is bright where the model is unsure"),
)
MORE = ("block", "mirrors", "precision", "threads")


class PredictStep(Step):
    """Choose a round and predict with it."""

    title = "Predict"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._build_rounds()
        self.form = SettingsForm(self.session.predict_settings, BASIC)
        self.more = SettingsForm(self.session.predict_settings, MORE)
        self.form.row("region").setPlaceholderText("whole volume, or z0:z1,y0:y1,x0:x1")
        for form in (self.form, self.more):
            form.changed.connect(self._settings_changed)
        self.body.addWidget(self.form)
        self._build_extras()
        self.body.addWidget(collapsible("More settings", self.more))
        self._build_buttons()
        self._sync()
        for signal in (self.session.project_changed, self.session.rounds_changed):
            self.listen(signal, self._sync)
        self.listen(self.session.job_changed, self._sync_job)
        for signal in (self.session.estimate_changed, self.session.classes_changed):
            self.listen(signal, self._sync_before)

    def _build_rounds(self) -> None:
        self.none = hint("Nothing is trained yet: press Train first.", name="no-rounds")
        self.rounds = RoundsPanel(self.bench)
        self.body.addWidget(self.none)
        self.body.addWidget(self.rounds)

    def let_go(self) -> None:
        """Disconnect the table of rounds too."""
        super().let_go()
        rounds = vars(self).get("rounds")
        if rounds is not None:
            rounds.let_go()

    def _build_extras(self) -> None:
        row = QHBoxLayout()
        self.extras = {}
        for role, title, tip in EXTRAS:
            box = QCheckBox(title)
            box.setObjectName(f"extra-{role}")
            box.setToolTip(tip)
            box.setChecked(role in self.session.extra_outputs)
            box.toggled.connect(self._extras_changed)
            row.addWidget(box)
            self.extras[role] = box
        row.addStretch(1)
        self.body.addLayout(row)

    def _build_buttons(self) -> None:
        start = button("Predict", "Predict into a layer, slices near the view first", self._predict)
        self.bar = JobBar(self.bench, "predict", start, working="Predicting…")
        self.predict, self.stop = self.bar.start, self.bar.stop
        self.before = hint("", name="predict-before")
        self.save = SaveLabels(self.bench)
        for widget in (self.before, self.bar, self.save):
            self.body.addWidget(widget)
        layers = self.bench.canvas.viewer.layers
        for event in (layers.events.inserted, layers.events.removed):
            self.listen(event, self.save.sync)

    # sync

    def _sync(self, *_: Any) -> None:
        project = self.session.project
        self.setEnabled(project is not None)
        self.none.setVisible(not (project and project.rounds()))
        self._sync_job()
        self._sync_before()

    def _sync_before(self, *_: Any) -> None:
        """Say what the prediction takes, before it is started."""
        text = self._say_before() if self.session.project is not None else ""
        self.before.setText(text)
        self.before.setVisible(bool(text))

    def _say_before(self) -> str:
        project = self.session.require_project()
        wanted = self.session.predict_settings.region
        try:
            shape = region_shape(parse_region(wanted, project.shape)) if wanted else project.shape
        except InputError as error:
            return str(error)
        sizes = {"probabilities": len(self.session.classes), "uncertainty": 1}
        arrays = 1 + sum(sizes[role] for role in self.session.extra_outputs)
        free = shutil.disk_usage(project.path).free
        return say_prediction(self.session.estimate, prod(shape), arrays, free)

    def _sync_job(self, *_: Any) -> None:
        trained = self.session.project is not None and bool(self.rounds.rounds())
        self.bar.sync()
        self.predict.setEnabled(self.session.job is None and trained)
        self.save.sync()

    # clicks

    def _settings_changed(self, settings: Any) -> None:
        self.session.predict_settings = settings
        for form in (self.form, self.more):
            form.set_value(settings)
        self._sync_before()

    def _predict(self) -> None:
        self.bench.attempt(self.bench.predict)

    def _extras_changed(self) -> None:
        chosen = (role for role, box in self.extras.items() if box.isChecked())
        self.session.extra_outputs = frozenset(chosen)
        self._sync_before()
