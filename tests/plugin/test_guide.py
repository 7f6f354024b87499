"""What the foot of the dock says, from the first look to the finished labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QFileDialog, QLabel

from napari_densify.io import open_labels
from napari_densify.plugin.guide import Situation, say_next
from napari_densify.plugin.places import default_folder
from napari_densify.project import Project


@pytest.mark.parametrize(
    ("situation", "words"),
    [
        (Situation(), "open a file"),
        (Situation(image=True), "Create project"),
        (Situation(opened=True, working="Training 3 %", advice="x"), "Training 3 %"),
        (Situation(opened=True, hindrance="hidden", advice="x"), "hidden"),
        (Situation(opened=True, advice="Only foreground", rounds=2), "Only foreground"),
        (Situation(opened=True), "Hold out"),
        (Situation(opened=True, rounds=1), "press Predict"),
        (Situation(opened=True, rounds=1, predicted=True), "Save labels"),
    ],
)
def test_one_thing_is_said_at_a_time(situation, words):
    assert words in say_next(situation)


def test_holding_out_is_not_asked_for_twice():
    assert "Hold out" not in say_next(Situation(opened=True, scored=True))


@pytest.fixture
def foot(hands):
    """The two lines at the foot."""
    hands.next = hands.dock.findChild(QLabel, "next")
    hands.message = hands.dock.findChild(QLabel, "message")
    return hands


def test_the_foot_stays_in_view_and_leads_to_a_file(foot, wait_for, monkeypatch, tmp_path):
    assert "open a file" in foot.next.text()
    foot.open_project()
    assert "Nothing is painted yet" in foot.next.text()
    train, predict = foot.dock.step("Train"), foot.dock.step("Predict")
    foot.click(train.train)
    foot.dock.verticalScrollBar().setValue(0)
    assert "no voxel is annotated" in foot.message.text()
    corner = foot.message.mapTo(foot.dock, QPoint(0, foot.message.height()))
    assert foot.message.isVisible()
    assert corner.y() <= foot.dock.height()
    foot.paint(3)
    wait_for(lambda: "press Train" in foot.next.text())
    assert not foot.message.isVisible()  # what it asked for is done
    foot.click(train.train)
    foot.idle()
    assert "press Predict" in foot.next.text()
    assert not predict.save.isVisible()
    foot.click(predict.predict)
    foot.idle()
    wait_for(lambda: "Save labels" in foot.next.text())
    path = tmp_path / "mine.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path)[:-4], "TIFF (*.tif)"))
    foot.click(predict.save)
    wait_for(lambda: "Saved" in foot.message.text())
    written = open_labels(path)
    np.testing.assert_array_equal(
        written.read_labels(), np.asarray(foot.bench.canvas.prediction_layer.data[:])
    )
    assert written.spacing == pytest.approx(foot.session.project.spacing)


def test_a_place_that_cannot_be_written_is_said(foot, wait_for, tmp_path):
    foot.open_project()
    layer = foot.bench.canvas.paint_layer
    foot.dock.step("Predict").save.save(layer, tmp_path / "a.docx")
    wait_for(lambda: "a.docx" in foot.message.text())
    assert "Traceback" not in foot.message.text()


def test_the_way_back_to_the_paint_is_offered_where_it_is_needed(foot, viewer):
    foot.open_project()
    canvas, back = foot.bench.canvas, foot.dock.step("Annotate").bring_back
    canvas.paint_layer.selected_label = 1
    assert not back.isVisible()
    viewer.layers.selection.active = canvas.image_layer
    assert canvas.image_layer.name in foot.next.text()
    foot.click(back)
    assert not back.isVisible()
    assert viewer.layers.selection.active is canvas.paint_layer
    assert canvas.paint_layer.selected_label == 1
    assert "Nothing is painted" in foot.next.text()
    viewer.layers.remove(canvas.paint_layer)
    assert "was removed" in foot.next.text()
    foot.click(back)
    assert canvas.paint_layer.visible


def test_a_hidden_paint_layer_is_shown_again(foot, viewer):
    foot.open_project()
    layer = foot.bench.canvas.paint_layer
    layer.visible = False
    viewer.layers.selection.active = foot.bench.canvas.image_layer
    assert "hidden" in foot.next.text()
    foot.click(foot.dock.step("Annotate").bring_back)
    assert layer.visible


def test_the_first_stroke_leaves_the_image_where_it_is(foot, wait_for, qtbot):
    foot.open_project()
    before = foot.pixel(3, 10, 10)
    foot.paint(3)
    wait_for(lambda: "press Train" in foot.next.text())
    qtbot.wait(50)
    assert foot.pixel(3, 10, 10) == before


def test_the_end_of_the_application_while_it_trains(foot, monkeypatch, wait_for, qtbot):
    monkeypatch.setenv("DENSIFY_FAKE_STEPS", "2000")
    foot.open_project()
    foot.paint(3)
    painted, folder = foot.session.counts(), foot.session.project.path
    foot.click(foot.dock.step("Train").train)
    wait_for(lambda: len(foot.session.training.loss) > 3)
    with qtbot.waitSignal(foot.dock.step("Annotate").marks.strip.destroyed):
        foot.dock.step("Annotate").marks.holder.deleteLater()  # napari takes its window down
    foot.bench.close()
    with Project.open(folder) as project:
        assert not project.read_only
        assert project.annotations().counts() == painted


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("letter.docx", b"hello", "no volume that Densify reads"),
        ("broken.tif", b"hello", "cannot be read as TIFF"),
        ("", b"", "no such file"),
    ],
)
def test_a_wrong_file_is_one_line(foot, tmp_path, name, content, words):
    path = tmp_path / (name or "missing.tif")
    if name:
        path.write_bytes(content)
    foot.dock.step("Volume").open_path(str(path))
    assert words in foot.message.text()
    assert path.name in foot.message.text()


def test_a_time_series_is_one_line(foot, tmp_path, rng):
    path = tmp_path / "time.tif"
    stack = rng.integers(0, 255, (3, 4, 20, 20), np.uint8)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TZYX"})
    foot.dock.step("Volume").open_path(str(path))
    assert "time series" in foot.message.text()


def test_a_sample_brings_its_classes_and_its_project_goes_home(foot, wait_for, tmp_path):
    step = foot.dock.step("Volume")
    step.open_sample("fibsem")
    assert Path(step.folder.text()) == Path.home() / "Densify" / "fibsem.densify"
    step.folder.setText(str(tmp_path / "fibsem.densify"))
    foot.click(step.start)
    wait_for(lambda: foot.session.project is not None)
    assert [c.name for c in foot.session.classes.classes] == ["boundary", "interior"]


def test_a_project_is_proposed_beside_a_file_of_the_user(tmp_path):
    assert default_folder("a", str(tmp_path / "b.tif::c")) == tmp_path / "b.densify"
    assert default_folder("a", "") == Path.home() / "Densify" / "a.densify"


def test_long_channel_names_wrap(foot, viewer, tmp_path, rng, qtbot):
    path = tmp_path / "colours.tif"
    stack = rng.integers(0, 255, (40, 40, 3), np.uint8)
    tifffile.imwrite(path, stack, photometric="rgb")
    step = foot.dock.step("Volume")
    step.open_path(str(path))
    qtbot.wait(50)
    places = [box.geometry() for box in step.part.boxes.values()]
    assert len(places) == 3
    assert not any(a.intersects(b) for a in places for b in places if a is not b)
    room = foot.dock.minimumWidth() - foot.dock.verticalScrollBar().sizeHint().width()
    assert foot.dock.parts["Volume"].minimumSizeHint().width() <= room
