from __future__ import annotations

from napari_densify.plugin.words import say_copy, say_prediction

FOUND = {
    "estimate": {"predict_s": 100.0, "device": "CPU"},
    "memory": {"labels_bytes": 2_000_000, "predict_bytes": 300_000_000},
}


def test_time_goes_with_the_region_and_disk_with_what_is_written():
    text = say_prediction(FOUND, 1_000_000, 4, 10**9)
    assert text == (
        "1 million voxels, about 50 s on CPU, 300 MB of memory; "
        "at most 4 MB on disk of 1 GB that are free."
    )


def test_without_an_estimate_the_disk_is_still_told():
    assert "at most 1 MB on disk" in say_prediction({}, 1_000_000, 1, 10**9)


def test_a_lack_of_room_is_told_before_the_start():
    assert "but only 1 MB are free" in say_prediction(FOUND, 10**9, 1, 10**6)
    assert "but only 1 MB are free" in say_copy(10**9, 10**6)


def test_the_dock_tells_it_and_follows_region_and_outputs(hands, wait_for):
    hands.open_project()
    step = hands.dock.step("Predict")
    shape = hands.session.shape
    wait_for(lambda: "million voxels" in step.before.text())
    step._settings_changed(step.form.value().model_copy(update={"region": "0:2,0:10,0:10"}))
    assert step.before.text().startswith("0.0002 million voxels")
    assert "at most 200 bytes" in step.before.text()
    step.extras["probabilities"].setChecked(True)
    assert "at most 600 bytes" in step.before.text()
    step._settings_changed(step.form.value().model_copy(update={"region": f"0:{shape[0] + 9}"}))
    assert "million" not in step.before.text()
