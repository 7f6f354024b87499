"""One classical method: its parameters, its preview while a slider is dragged, tune and run."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QHBoxLayout

from napari_densify.classical import METHODS
from napari_densify.core.events import Done, Failed
from napari_densify.core.settings import Settings
from napari_densify.plugin.asking import classical_request
from napari_densify.plugin.form import SettingsForm
from napari_densify.plugin.jobs import Job
from napari_densify.plugin.step import Step, button, hint
from napari_densify.plugin.trial import Trial
from napari_densify.plugin.workbench import Workbench

__all__ = ["MethodPanel"]


class MethodPanel(Step):
    """Choose a method, move its sliders, tune it, run it on the volume."""

    title = "One method"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self.trial = Trial(bench)
        self.trial.setParent(self)
        self.chosen: dict[str, Settings] = {}
        self._build_choice()
        self.form: SettingsForm | None = None
        self._build_buttons()
        self._method_chosen()
        self._sync()
        self.listen(self.session.project_changed, self._project_changed)
        self.listen(self.session.job_changed, self._sync)
        self.listen(self.session.job_ended, self._job_ended)
        self.listen(self.session.paint_changed, self._preview)
        self.listen(self.bench.canvas.slice_changed, self._preview)
        self.listen(self.trial.shown, self._say_shown)
        self.listen(self.trial.said, self.status.setText)
        self.listen(self.trial.tuned, self._tuned)

    def _build_choice(self) -> None:
        self.method = QComboBox()
        self.method.setObjectName("method")
        family = ""
        for name, method in METHODS.items():
            if family not in ("", method.family):
                self.method.insertSeparator(self.method.count())
            family = method.family
            self.method.addItem(method.title, name)
        self.method.setToolTip("Classical method; they are grouped by family")
        self.method.currentIndexChanged.connect(self._method_chosen)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Method", self.method)
        self.body.addLayout(form)
        self.summary = hint("", name="method-summary")
        self.body.addWidget(self.summary)

    def _build_buttons(self) -> None:
        self.live = QCheckBox("Preview on this slice")
        self.live.setToolTip(
            "Label the slice on screen again whenever a parameter, the paint or the slice changes"
        )
        self.live.toggled.connect(self._live_toggled)
        self.tune = button(
            "Tune", "Search the parameters on the training paint, in about 10 s", self._tune
        )
        self.run = button(
            "Run on the volume", "Label the whole volume into a layer", self._run, name="run-method"
        )
        self.objects = QCheckBox("Objects as well")
        self.objects.setObjectName("method-objects")
        self.objects.setToolTip(
            "When it is run on the volume: each of its regions gets an id of its own, in a "
            "layer beside the classes"
        )
        row = QHBoxLayout()
        row.addWidget(self.tune, 1)
        row.addWidget(self.run, 2)
        self.body.addWidget(self.live)
        self.body.addWidget(self.objects)
        self.body.addLayout(row)
        self.status = hint("", name="method-status")
        self.body.addWidget(self.status)

    # sync

    @property
    def name(self) -> str:
        """Name of the chosen method."""
        return str(self.method.currentData())

    @property
    def parameters(self) -> Settings:
        """Parameters of the chosen method."""
        return self.chosen.get(self.name) or METHODS[self.name].settings()

    def set_parameters(self, parameters: Settings) -> None:
        """Show and preview other parameters of the chosen method."""
        self.chosen[self.name] = parameters
        if self.form is not None:
            self.form.set_value(parameters)
        self._preview()

    def _method_chosen(self, *_: Any) -> None:
        method = METHODS[self.name]
        where = "" if method.blockwise else " Needs the whole volume in memory."
        paint = " Learns from paint." if method.needs_paint else ""
        self.objects.setVisible(method.objects)
        self.summary.setText(f"{method.summary}.{paint}{where}")
        old, self.form = self.form, SettingsForm(self.parameters, sliders=True)
        self.form.changed.connect(self._edited)
        if old is None:
            self.body.insertWidget(2, self.form)
        else:
            self.body.replaceWidget(old, self.form)
            old.deleteLater()
        self._preview()

    def _project_changed(self, *_: Any) -> None:
        if self.session.project is None:
            self.live.setChecked(False)
            self.trial.close()
        self._sync()

    def _sync(self, *_: Any) -> None:
        self.setEnabled(self.session.project is not None)
        self.run.setEnabled(self.session.job is None)
        job = self.session.job
        if job is not None and job.kind == "classical":
            self.status.setText(job.status)

    def _say_shown(self, ms: float, final: bool) -> None:
        more = "" if final else ", getting better…"
        self.status.setText(f"Preview after {ms / 1000:.2f} s{more}")

    # clicks

    def _edited(self, parameters: Settings) -> None:
        self.chosen[self.name] = parameters
        self._preview()

    def _preview(self, *_: Any) -> None:
        if self.live.isChecked() and self.session.project is not None:
            self.trial.want(self.name, self.parameters)

    def _live_toggled(self, on: bool) -> None:
        if on:
            self._preview()
        else:
            self.trial.close()
            self.status.setText("")

    def _tune(self) -> None:
        self.live.setChecked(True)
        self.status.setText("Tuning…")
        self.trial.tune(self.name, self.parameters)

    def _tuned(self, name: str, found: dict[str, Any]) -> None:
        parameters = METHODS[name].settings.model_validate(found)
        self.chosen[name] = parameters
        if name == self.name and self.form is not None:
            self.form.set_value(parameters)
        changed = parameters.model_dump(mode="json", exclude_defaults=True)
        shown = ", ".join(f"{k} = {v}" for k, v in changed.items())
        self.status.setText(f"Tuned on the training paint: {shown or 'the defaults are best'}.")

    def _run(self) -> None:
        self.bench.attempt(self._submit)

    def _submit(self) -> None:
        self.session.require_idle()
        if self.session.paint is not None:
            self.session.paint.flush()
        folder, file = self.session.require_project().path, f"{self.name}.zarr"
        wanted = METHODS[self.name].objects and self.objects.isChecked()
        request = classical_request(
            self.session,
            self.name,
            self.parameters,
            str(folder / "methods" / file),
            objects=str(folder / "objects" / f"regions-{file}") if wanted else "",
        )
        self.bench.submit(request)

    def _job_ended(self, job: Job, event: Done | Failed) -> None:
        if job.kind == "classical" and self.session.owns(job):
            self.status.setText(_end_of(event))

    def let_go(self) -> None:
        """End the worker as well."""
        super().let_go()
        self.trial.close()


def _end_of(event: Done | Failed) -> str:
    if isinstance(event, Failed):
        return event.message
    return "Stopped." if event.stopped else f"Done in {event.result['seconds']:.1f} s."
