"""Presets from a list, single parameters as text: what is chosen is what is trained with."""

from __future__ import annotations

from napari_densify.training.presets import PRESETS


def test_a_preset_is_chosen_and_its_parameters_are_typed(hands):
    hands.open_project()
    hands.paint(3)
    hands.dock.parts["Train"].expand()
    step = hands.dock.step("Train")
    preset = step.form.row("preset")
    assert {preset.itemText(i) for i in range(preset.count())} == {"auto", "fast", *PRESETS}
    preset.setCurrentText("membrane")
    step.collapsed.expand(animate=False)
    options = step.more.row("options")
    options.setText("loss.kind=tversky, loss.tversky_alpha=0.4")
    options.editingFinished.emit()
    assert hands.session.train_settings.options == (
        "loss.kind=tversky", "loss.tversky_alpha=0.4",
    )  # fmt: skip
    assert hands.session.train_settings.preset == "membrane"
