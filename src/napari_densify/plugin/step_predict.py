"""Step 4: predict the whole volume, or a part of it, with a trained round."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QInputDialog, QProgressBar, QWidget

from napari_densify.plugin.form import SettingsForm
from napari_densify.plugin.step import Step, button, collapsible, hint
from napari_densify.plugin.workbench import Workbench

__all__ = ["PredictStep"]

BASIC = ("region", "device")
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
        self.body.addWidget(collapsible("More settings", self.more))
        self._build_buttons()
        self._sync()
        for signal in (self.session.project_changed, self.session.rounds_changed):
            self.listen(signal, self._sync)
        self.listen(self.session.job_changed, self._sync_job)

    def _build_rounds(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        self.rounds = QComboBox()
        self.rounds.setObjectName("rounds")
        self.rounds.setToolTip("Every training is a round; any of them can predict")
        self.rounds.activated.connect(self._round_chosen)
        self.rename = button("Rename…", "Give this round a name", self._rename)
        self.delete = button("Delete", "Delete this round's model and scores", self._delete)
        row.addWidget(self.rounds, 1)
        row.addWidget(self.rename)
        row.addWidget(self.delete)
        holder = QWidget()
        holder.setLayout(row)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Round", holder)
        self.body.addLayout(form)

    def _build_buttons(self) -> None:
        self.predict = button(
            "Predict", "Predict into a layer, slices near the view first", self._predict
        )
        self.predict.setMinimumHeight(34)
        self.stop = button("Stop", "Stop; what was predicted is kept", self.bench.stop)
        row = QHBoxLayout()
        row.addWidget(self.predict, 3)
        row.addWidget(self.stop, 1)
        self.body.addLayout(row)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.status = hint("", name="predict-status")
        self.body.addWidget(self.progress)
        self.body.addWidget(self.status)

    # sync

    def _sync(self, *_: Any) -> None:
        project = self.session.project
        self.setEnabled(project is not None)
        rounds = project.rounds() if project else []
        self.rounds.clear()
        for item in rounds:
            self.rounds.addItem(_describe(item), item.number)
        self.rounds.setCurrentIndex(max(0, self.rounds.findData(self.session.round_number)))
        for widget in (self.rounds, self.rename, self.delete):
            widget.setEnabled(bool(rounds))
        if not rounds:
            self.rounds.addItem("nothing trained yet", 0)
        self._sync_job()

    def _sync_job(self, *_: Any) -> None:
        job = self.session.job
        predicting = job is not None and job.kind == "predict"
        self.predict.setEnabled(job is None)
        self.predict.setText("Predicting…" if predicting else "Predict")
        self.stop.setVisible(predicting)
        self.progress.setVisible(predicting)
        self.status.setVisible(predicting)
        if job is not None and predicting:
            self.stop.setEnabled(not job.stopping)
            self.progress.setValue(round(1000 * (job.fraction or 0)))
            self.status.setText(job.status)

    # clicks

    def _settings_changed(self, settings: Any) -> None:
        self.session.predict_settings = settings
        for form in (self.form, self.more):
            form.set_value(settings)

    def _predict(self) -> None:
        self.bench.attempt(self.bench.predict)

    def _round_chosen(self, index: int) -> None:
        self.session.choose_round(self.rounds.itemData(index))

    def _rename(self) -> None:
        chosen = self.session.chosen_round()
        name, taken = QInputDialog.getText(self, "Rename round", "Name", text=chosen.name)
        if taken:
            self.bench.attempt(chosen.rename, name)
            self.session.rounds_changed.emit()

    def _delete(self) -> None:
        from qtpy.QtWidgets import QMessageBox

        chosen = self.session.chosen_round()
        answer = QMessageBox.question(self, "Delete round", f"Delete {chosen.name} for good?")
        if answer == QMessageBox.StandardButton.Yes:
            chosen.delete()
            self.session.choose_round(0)


def _describe(item: Any) -> str:
    dice = item.scores.get("held_out", {}).get("mean_dice")
    return item.name if dice is None else f"{item.name} · held-out Dice {dice:.2f}"
