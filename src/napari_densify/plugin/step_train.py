"""Step 3: train on the paint, and watch loss and held-out Dice."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QProgressBar, QSizePolicy

from napari_densify.core.events import HeldOutScore
from napari_densify.plugin.curves import CurvesWidget
from napari_densify.plugin.form import SettingsForm
from napari_densify.plugin.step import Step, button, collapsible, hint
from napari_densify.plugin.workbench import Workbench

__all__ = ["TrainStep"]

BASIC = ("budget_s", "device", "preset")
MORE = (
    "steps", "seed", "working_factor", "patch", "batch", "base_channels", "depth", "features",
    "learning_rate", "optimiser", "schedule", "loss", "class_weights", "augment", "ema",
    "precision", "threads",
)  # fmt: skip


class TrainStep(Step):
    """One big button; what it will do before, how it goes meanwhile."""

    title = "Train"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self.form = SettingsForm(self.session.train_settings, BASIC)
        self.more = SettingsForm(self.session.train_settings, MORE)
        for form in (self.form, self.more):
            form.changed.connect(self.session.set_train_settings)
            form.changed.connect(self._sync_forms)
        self.body.addWidget(self.form)
        self.live = QCheckBox("Show the slice on screen while training")
        self.live.setObjectName("live")
        self.live.setToolTip("Predict it again as the model improves, and use new strokes at once")
        self.live.setChecked(self.session.live)
        self.live.toggled.connect(self._set_live)
        self.body.addWidget(self.live)
        self.collapsed = collapsible("More settings", self.more)
        self.body.addWidget(self.collapsed)
        self._build_buttons()
        self._build_report()
        self._sync_all()
        self.listen(self.session.project_changed, self._sync_all)
        self.listen(self.session.paint_changed, self._sync_advice)
        self.listen(self.session.job_changed, self._sync_job)
        self.listen(self.session.training_changed, self._sync_training)

    def _build_buttons(self) -> None:
        self.train = button("Train", "Train a network on the paint alone", self._train)
        self.train.setMinimumHeight(34)
        self.train.setStyleSheet("font-weight: bold;")
        self.train.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.pause = button("Pause", "Hold the training still", self._pause)
        self.stop = button("Stop", "Finish now; the model learned so far is kept", self.bench.stop)
        row = QHBoxLayout()
        row.addWidget(self.train, 2)
        row.addWidget(self.pause, 1)
        row.addWidget(self.stop, 1)
        self.body.addLayout(row)

    def _build_report(self) -> None:
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.status = hint("", name="train-status")
        self.gauge = hint("", name="gauge")
        self.curves = CurvesWidget()
        self.plan = hint("", name="plan")
        for widget in (self.progress, self.status, self.curves, self.gauge, self.plan):
            self.body.addWidget(widget)

    # sync

    def _sync_all(self, *_: Any) -> None:
        self.setEnabled(self.session.project is not None)
        self._sync_forms()
        self._sync_advice()
        self._sync_job()
        self._sync_training()

    def _sync_forms(self, *_: Any) -> None:
        for form in (self.form, self.more):
            form.set_value(self.session.train_settings)

    def _sync_advice(self, *_: Any) -> None:
        if self.session.job is None:
            self.status.setText(self.session.advice())
            self.status.setVisible(bool(self.status.text()))

    def _sync_job(self, *_: Any) -> None:
        job = self.session.job
        training = job is not None and job.kind == "train"
        self.train.setEnabled(job is None)
        self.train.setText("Training…" if training else "Train")
        self.pause.setVisible(training)
        self.stop.setVisible(training)
        self.progress.setVisible(training)
        if job is None:
            self._sync_advice()
            return
        self.pause.setText("Resume" if job.paused else "Pause")
        self.stop.setEnabled(not job.stopping)
        self.progress.setValue(round(1000 * (job.fraction or 0)))
        self.status.setText(job.status)
        self.status.setVisible(True)

    def _sync_training(self, *_: Any) -> None:
        log = self.session.training
        drawn = bool(log.seconds or self.session.earlier)
        self.curves.setVisible(drawn)
        if drawn:
            self.curves.show_log(log)
            self.curves.show_earlier([x for x in self.session.earlier.values() if x is not log])
        self.plan.setText(log.explanation)
        self.plan.setVisible(bool(log.explanation))
        self.gauge.setText(self._say_gauge(log.latest))
        self.gauge.setVisible(bool(self.gauge.text()))

    def _say_gauge(self, score: HeldOutScore | None) -> str:
        if score is None:
            return ""
        if math.isnan(score.mean_dice):
            return "Held-out Dice: too little held-out paint to tell."
        text = f"Held-out Dice {score.mean_dice:.2f}"
        if score.interval is not None:
            text += f" (90 %: {score.interval[0]:.2f} to {score.interval[1]:.2f})"
        rows = [f"{self.session.classes.name(v)} {d:.2f}" for v, d in score.dice.items()]
        return f"{text} · {', '.join(rows)}" if len(rows) > 1 else text

    # clicks

    def _train(self) -> None:
        self.bench.attempt(self.bench.train)

    def _set_live(self, on: bool) -> None:
        self.session.live = on

    def _pause(self) -> None:
        job = self.session.job
        if job is not None:
            (self.bench.resume if job.paused else self.bench.pause)()
