from __future__ import annotations

import pytest
from qtpy.QtWidgets import QComboBox, QLineEdit, QSpinBox

from napari_densify.classical.threshold import ThresholdParameters
from napari_densify.core.settings import PredictSettings, TrainSettings
from napari_densify.plugin.form import SettingsForm


@pytest.fixture
def form(qtbot):
    made = SettingsForm(TrainSettings(), ("budget_s", "steps", "patch", "features", "precision"))
    qtbot.addWidget(made)
    return made


def edit(form, name, text):
    box = form.row(name)
    box.setText(text)
    box.editingFinished.emit()


def test_it_shows_what_it_is_given(qtbot):
    settings = TrainSettings(budget_s=90, patch=(8, 64, 64), features=True, precision="bf16")
    made = SettingsForm(settings)
    qtbot.addWidget(made)
    assert made.row("budget_s").text() == "90"
    assert made.row("patch").text() == "8, 64, 64"
    assert made.row("features").currentText() == "on"
    assert made.row("precision").currentText() == "bf16"


def test_edits_come_out_as_settings(form, qtbot):
    heard = []
    form.changed.connect(heard.append)
    edit(form, "budget_s", "120")
    edit(form, "patch", "16,32,32")
    form.row("steps").setValue(50)
    assert heard[-1] == TrainSettings(budget_s=120, patch=(16, 32, 32), steps=50)
    edit(form, "patch", "")
    assert heard[-1].patch is None


def test_invalid_input_is_marked_and_kept_in(form):
    heard = []
    form.changed.connect(heard.append)
    edit(form, "budget_s", "-3")
    assert heard == []
    assert form.value().budget_s is None
    assert "greater than 0" in form.row("budget_s").toolTip()
    edit(form, "budget_s", "3")
    assert heard[-1].budget_s == 3
    assert form.row("budget_s").styleSheet() == ""


def test_none_reads_auto(form):
    assert form.row("steps").text() == "auto"
    assert form.row("features").currentText() == "auto"
    assert form.row("budget_s").placeholderText() == "auto"


def test_a_tooltip_names_none_as_the_form_does(qtbot):
    made = SettingsForm(TrainSettings(), ("threads",))
    qtbot.addWidget(made)
    assert "auto: all" in made.row("threads").toolTip()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (TrainSettings(options=("loss.focal_gamma=3",)), "options"),
        (ThresholdParameters(values=(3.0, 5.0)), "values"),
    ],
)
def test_a_list_can_be_emptied(qtbot, model, name):
    made = SettingsForm(model, (name,))
    qtbot.addWidget(made)
    edit(made, name, "")
    assert getattr(made.value(), name) == ()
    assert made.row(name).styleSheet() == ""


def test_setting_values_says_nothing(form):
    heard = []
    form.changed.connect(heard.append)
    form.set_value(TrainSettings(budget_s=5, steps=3))
    assert heard == []
    assert form.row("steps").value() == 3


@pytest.mark.parametrize(
    ("model", "name", "kind"),
    [
        (TrainSettings(), "steps", QSpinBox),
        (TrainSettings(), "optimiser", QComboBox),
        (PredictSettings(), "mirrors", QSpinBox),
        (PredictSettings(), "region", QLineEdit),
    ],
)
def test_widgets_follow_the_type(qtbot, model, name, kind):
    made = SettingsForm(model)
    qtbot.addWidget(made)
    assert isinstance(made.row(name), kind)


def test_bounds_and_unit_are_told(qtbot):
    made = SettingsForm(PredictSettings())
    qtbot.addWidget(made)
    assert "1 to 8" in made.row("mirrors").toolTip()
    train = SettingsForm(TrainSettings())
    qtbot.addWidget(train)
    assert "in s" in train.row("budget_s").toolTip()
