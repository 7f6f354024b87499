"""Step 3: train on the paint, and watch loss and held-out Dice."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QProgressBar, QSizePolicy

from napari_densify.plugin.curves import CurvesWidget
from napari_densify.plugin.form import SettingsForm
from napari_densify.plugin.patches_dialog import PatchesDialog
from napari_densify.plugin.step import Step, button, collapsible, hint
from napari_densify.plugin.words import say_estimate, say_score
from napari_densify.plugin.workbench import Workbench

__all__ = ["TrainStep"]

BASIC = ("budget_s", "device", "preset")
MORE = (
    "steps", "seed", "working_factor", "patch", "batch", "base_channels", "depth", "features",
    "learning_rate", "optimiser", "schedule", "loss", "class_weights", "augment", "ema",
    "encoder_rate", "keep", "early_stop", "log", "options", "precision", "threads",
)  # fmt: skip


class TrainStep(Step):
    """One big button; what it will do before, how it goes meanwhile."""

    title = "Train"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._build_buttons()
        self._build_report()
        self._build_wishes()
        self._sync_all()
        self.listen(self.session.project_changed, self._sync_all)
        self.listen(self.session.rounds_changed, self._sync_rounds)
        self.listen(self.session.paint_changed, self._sync_paint)
        self.listen(self.session.job_changed, self._sync_job)
        self.listen(self.session.training_changed, self._sync_training)
        self.listen(self.session.estimate_changed, self._sync_before)
        self.listen(self.session.job_ended, self.patches.job_ended)

    def _build_wishes(self) -> None:
        self.form = SettingsForm(self.session.train_settings, BASIC)
        self.more = SettingsForm(self.session.train_settings, MORE)
        for form in (self.form, self.more):
            form.changed.connect(self.session.set_train_settings)
            form.changed.connect(self._sync_forms)
        self.start = QComboBox()
        self.start.setObjectName("start-from")
        self.start.setToolTip(
            "A fresh network, or go on from what an earlier round learned: quicker after new paint"
        )
        self.start.activated.connect(self._set_start)
        self.form.add_row("Start from", self.start)
        self.body.addWidget(self.form)
        self._build_preview()
        self.collapsed = collapsible("More settings", self.more)
        self.body.addWidget(self.collapsed)
        self.patches = PatchesDialog(self.bench, self)
        self.show_patches = button(
            "Show patches…",
            "Draw patches as a training with these settings would see them, before and after "
            "augmentation",
            self.patches.draw,
        )
        self.body.addWidget(self.show_patches)

    def _build_preview(self) -> None:
        self.live = QCheckBox("Show the slice on screen while training")
        self.live.setObjectName("live")
        self.live.setToolTip("Predict it again as the model improves, and use new strokes at once")
        self.live.setChecked(self.session.live)
        self.live.toggled.connect(self._set_live)
        self.hold = QCheckBox("Hold the preview still")
        self.hold.setObjectName("hold-preview")
        self.hold.setToolTip("Keep what is shown as it is; training goes on, and faster")
        self.hold.setChecked(self.session.held_still)
        self.hold.setEnabled(self.session.live)
        self.hold.toggled.connect(self.bench.hold_preview)
        self.body.addWidget(self.live)
        self.body.addWidget(self.hold)

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
        self.finish = button(
            "Finish on all paint",
            "A last round that learns from the held-out slices too; its score is that of the "
            "round before",
            self._finish,
            name="finish",
        )
        self.leave_out = button(
            "Leave slices out",
            "Train once without each painted slice and score it there: an honest score where "
            "none is held out, for as many trainings as there are slices",
            self._leave_out,
            name="leave-out",
        )
        more = QHBoxLayout()
        more.addWidget(self.finish)
        more.addWidget(self.leave_out)
        self.body.addLayout(more)

    def _build_report(self) -> None:
        self.before = hint("", name="before")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.status = hint("", name="train-status")
        self.gauge = hint("", name="gauge")
        self.curves = CurvesWidget()
        self.plan = hint("", name="plan")
        for widget in (
            self.before, self.progress, self.status, self.gauge, self.curves, self.plan
        ):  # fmt: skip
            self.body.addWidget(widget)

    # sync

    def _sync_all(self, *_: Any) -> None:
        self.setEnabled(self.session.project is not None)
        self._sync_forms()
        self._sync_rounds()
        self._sync_paint()
        self._sync_job()
        self._sync_training()

    def _sync_forms(self, *_: Any) -> None:
        for form in (self.form, self.more):
            form.set_value(self.session.train_settings)
        self._sync_before()

    def _sync_before(self, *_: Any) -> None:
        idle = self.session.project is not None and self.session.job is None
        text = say_estimate(self.session.estimate, self.session.train_settings) if idle else ""
        self.before.setText(text)
        self.before.setVisible(bool(text))

    def _sync_rounds(self, *_: Any) -> None:
        rounds = self.session.project.rounds() if self.session.project else []
        self.start.clear()
        self.start.addItem("a fresh network", 0)
        for item in rounds:
            self.start.addItem(item.name, item.number)
        self.start.setCurrentIndex(max(0, self.start.findData(self.session.start_from)))
        self.start.setEnabled(bool(rounds))
        self._sync_paint()

    def _sync_paint(self, *_: Any) -> None:
        session = self.session
        held, trained = session.painted_held_out(), self.start.count() > 1
        self.finish.setVisible(bool(held) and trained)
        self.leave_out.setVisible(not held and len(session.slice_counts()) > 1)
        if session.job is None:
            self.status.hide()

    def _sync_job(self, *_: Any) -> None:
        job = self.session.job
        training = job is not None and job.kind in ("train", "leave_out")
        for widget in (self.train, self.finish, self.leave_out, self.show_patches):
            widget.setEnabled(job is None)
        self.patches.set_idle(job is None)
        self.train.setText("Training…" if training else "Train")
        self.pause.setVisible(training)
        self.stop.setVisible(training)
        self.progress.setVisible(training)
        self._sync_before()
        if job is None:
            self._sync_paint()
            return
        self.pause.setText("Resume" if job.paused else "Pause")
        self.stop.setEnabled(not job.stopping)
        self.progress.setValue(round(1000 * (job.fraction or 0)))
        self.status.setText(job.status)
        self.status.setVisible(training)

    def _sync_training(self, *_: Any) -> None:
        log = self.session.training
        drawn = bool(log.seconds or self.session.earlier)
        self.curves.setVisible(drawn)
        if drawn:
            self.curves.show_log(log)
            self.curves.show_earlier([x for x in self.session.earlier.values() if x is not log])
        self.plan.setText(log.explanation)
        self.plan.setVisible(bool(log.explanation))
        text = self.session.left_out.describe() or say_score(log.latest, self.session.classes)
        self.gauge.setText(text)
        self.gauge.setVisible(bool(text))

    # clicks

    def _train(self) -> None:
        self.bench.attempt(self.bench.train)

    def _finish(self) -> None:
        self.bench.attempt(lambda: self.bench.train(all_paint=True))

    def _leave_out(self) -> None:
        self.bench.attempt(self.bench.leave_slices_out)

    def _set_start(self, index: int) -> None:
        self.session.start_from = self.start.itemData(index)

    def _set_live(self, on: bool) -> None:
        self.session.live = on
        self.hold.setEnabled(on)

    def _pause(self) -> None:
        job = self.session.job
        if job is not None:
            (self.bench.resume if job.paused else self.bench.pause)()
