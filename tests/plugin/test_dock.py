from __future__ import annotations

import gc
import os
import signal
import sys
from itertools import pairwise

import numpy as np
import psutil
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel

from napari_densify.plugin import asking
from napari_densify.plugin.engine_client import EngineClient
from napari_densify.plugin.layers import grid_of
from napari_densify.project import Project


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize("swapped", [False, True])
def test_from_strokes_to_a_layer(hands, swapped):
    hands.open_project()
    hands.paint(3, swapped=swapped)
    hands.click(hands.dock.step("Train").train)
    assert hands.session.job is not None
    hands.idle()
    selected = hands.bench.canvas.viewer.layers.selection.active
    hands.click(hands.dock.step("Predict").predict)
    hands.idle()
    layer = hands.bench.canvas.prediction_layer
    unpainted = [0, 1, 2, 4, 5, 6, 7]
    found = np.asarray(layer.data[:])[unpainted]
    wanted = hands.truth[unpainted]
    assert dice(found == (1 if swapped else 2), wanted == 2) > 0.8
    assert not layer.editable
    assert layer.name != "Annotations"
    assert hands.bench.canvas.viewer.layers.selection.active is selected
    assert selected.mode == "paint"
    image = hands.bench.canvas.image_layer
    for other in hands.bench.canvas.viewer.layers:
        np.testing.assert_allclose(other.scale, image.scale)
        assert other.units == image.units
    assert tuple(map(str, image.units)) == ("nanometer",) * 3
    assert layer.colormap.map(1)[-1] == 0  # background is transparent
    np.testing.assert_allclose(layer.colormap.map(2), selected.colormap.map(2))


def test_without_strokes_training_is_refused_with_the_reason(hands):
    hands.open_project()
    hands.click(hands.dock.step("Train").train)
    assert hands.session.job is None
    status = hands.dock.findChild(QLabel, "message")
    assert "no voxel is annotated" in status.text()
    assert hands.session.project.rounds() == []


def test_paint_of_one_class_is_refused_and_said(hands, wait_for):
    hands.open_project()
    hands.paint(3, classes=(2,))
    advice = hands.dock.findChild(QLabel, "next")
    wait_for(lambda: "Only foreground is painted" in advice.text())
    hands.click(hands.dock.step("Train").train)
    assert hands.session.job is None


def test_held_out_slices_are_not_trained_on(hands):
    hands.open_project()
    hands.paint(3)
    hands.click(hands.dock.step("Annotate").held_out)
    assert hands.session.held_out == {3}
    hands.click(hands.dock.step("Train").train)
    assert hands.session.job is None  # nothing is left to learn from
    hands.paint(5)
    hands.session.set_held_out(6, True)  # to be painted while the training goes on
    request = asking.train_request(hands.session, hands.session.project.new_round())
    assert request.settings.held_out == (3, 6)


@pytest.mark.parametrize("live", [True, False])
def test_killed_engine_is_said_and_the_training_taken_up_once(hands, monkeypatch, wait_for, live):
    monkeypatch.setenv("DENSIFY_FAKE_STEPS", "2000")
    hands.open_project()
    hands.paint(3)
    hands.session.live, resumed, submit = live, [], hands.bench.client.submit

    def note_trainings(request):
        if request.kind == "train":
            resumed.append(request.resume)
        return submit(request)

    monkeypatch.setattr(hands.bench.client, "submit", note_trainings)
    painted = hands.session.counts()
    said = []
    hands.session.said.connect(lambda level, text: said.append((level, text)))
    hands.click(hands.dock.step("Train").train)
    wait_for(lambda: len(hands.session.training.loss) > 3)
    first = hands.bench.client.pid
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: hands.bench.client.pid not in (0, first))
    wait_for(lambda: len(resumed) > 1)  # until then the curve is still the first one's
    wait_for(lambda: len(hands.session.training.loss) > 3)
    assert any(level == "error" and "killed" in text for level, text in said)
    assert any("taken up again" in text for _, text in said)
    assert resumed == [False, live], "a state is kept of live trainings alone"
    assert hands.session.counts() == painted
    os.kill(hands.bench.client.pid, signal.SIGKILL)
    hands.idle()
    assert hands.session.project.rounds() == []
    monkeypatch.setenv("DENSIFY_FAKE_STEPS", "5")
    hands.click(hands.dock.step("Train").train)
    hands.idle()
    assert len(hands.session.project.rounds()) == 1


def test_pause_holds_still_and_stop_keeps_the_model(hands, monkeypatch, wait_for, qtbot):
    monkeypatch.setenv("DENSIFY_FAKE_STEPS", "2000")
    hands.open_project()
    hands.paint(3)
    step = hands.dock.step("Train")
    hands.click(step.train)
    wait_for(lambda: len(hands.session.training.loss) > 3)
    hands.click(step.pause)
    qtbot.wait(300)  # what was on its way arrives
    before = len(hands.session.training.loss)
    qtbot.wait(200)
    assert len(hands.session.training.loss) == before
    hands.click(step.pause)
    wait_for(lambda: len(hands.session.training.loss) > before)
    hands.click(step.stop)
    hands.idle()
    assert [r.number for r in hands.session.project.rounds()] == [1]


def test_strokes_are_in_the_project_after_reopening(hands, qtbot):
    hands.open_project()
    hands.paint(3)
    folder = hands.session.project.path
    painted = np.asarray(hands.bench.canvas.paint_layer.data)
    hands.bench.close_project()
    with Project.open(folder) as project:
        box = tuple(slice(0, n) for n in project.shape)
        np.testing.assert_array_equal(project.annotations().read(box), painted)
    assert painted.any()


def test_no_layer_is_added_during_a_stroke(hands, wait_for, qtbot):
    hands.open_project()
    hands.paint(3)
    hands.click(hands.dock.step("Train").train)
    hands.idle()
    viewer, layer = hands.bench.canvas.viewer, hands.bench.canvas.paint_layer
    native = viewer.window._qt_viewer.canvas.native
    before = np.asarray(layer.data).copy()
    heard = []
    hands.session.layer_updated.connect(heard.append)
    hands.stroke(6, [(24, x) for x in range(4, 20, 3)], 1, release=False)
    try:
        assert QApplication.mouseButtons() == Qt.MouseButton.LeftButton
        names = [x.name for x in viewer.layers]
        hands.bench.predict()
        hands.idle()
        qtbot.wait(200)
        assert any(event.final for event in heard)
        assert [x.name for x in viewer.layers] == names
        for x in range(20, 40, 3):  # the stroke goes on
            QTest.mouseMove(native, hands.pixel(6, 24, x))
            qtbot.wait(20)
    finally:
        QTest.mouseRelease(native, Qt.MouseButton.LeftButton, Qt.NoModifier, hands.pixel(6, 24, 37))
    wait_for(lambda: hands.bench.canvas.prediction_layer is not None)
    after = np.asarray(layer.data)
    assert (after[6, 24, 5:37] == 1).all()
    assert viewer.layers.selection.active is layer
    layer.undo()  # one step, although a layer came in between
    np.testing.assert_array_equal(np.asarray(layer.data), before)


def test_painting_aids_can_be_undone(hands):
    hands.open_project()
    hands.paint(3, classes=(2,))
    layer = hands.bench.canvas.paint_layer
    before = np.asarray(layer.data)
    aids = hands.dock.step("Annotate").aids
    hands.click(aids["fill"])
    assert (np.asarray(layer.data)[3] != 0).all()
    hands.click(aids["undo"])
    np.testing.assert_array_equal(np.asarray(layer.data), before)
    hands.click(aids["erase"])
    assert not np.asarray(layer.data)[3].any()
    hands.click(aids["undo"])
    np.testing.assert_array_equal(np.asarray(layer.data), before)


def test_compare_fills_a_sorted_table(hands):
    hands.open_project()
    hands.paint(3)
    hands.dock.parts["Compare"].expand()
    step = hands.dock.step("Compare")
    step.compare.click()
    hands.idle()
    table = step.table.table
    names = [table.item(row, 0).text() for row in range(table.rowCount())]
    assert names[:2] == ["round 1", "Threshold"]
    grid = step.pictures.buttons["grid"]
    grid.click()
    assert grid_of(hands.bench.canvas.viewer).enabled
    assert grid.isChecked()
    grid.click()
    assert not grid_of(hands.bench.canvas.viewer).enabled


def test_classes_are_edited_in_the_table(hands):
    hands.open_project()
    step = hands.dock.step("Annotate")
    hands.click(step.add)
    assert hands.session.classes.values == (1, 2, 3)
    step.table.item(2, 1).setText("membrane")
    assert hands.session.classes.name(3) == "membrane"
    assert Project.open(hands.session.project.path, read_only=True).classes.name(3) == "membrane"
    step.table.item(2, 3).setCheckState(Qt.CheckState.Checked)
    assert hands.session.classes.background == 3
    hands.paint(3)
    step.table.choose(1)
    hands.click(step.remove)
    assert 1 in hands.session.classes.values  # it is painted


def test_a_dock_opened_again_shows_what_was_chosen(dock, viewer):
    dock.step("Train").hold.setChecked(True)
    dock.step("Train").live.setChecked(False)
    dock.step("Predict").extras["uncertainty"].setChecked(True)
    viewer.window.remove_dock_widget(dock)
    _, again = viewer.window.add_plugin_dock_widget("napari-densify", "Densify")
    train, extras = again.step("Train"), again.step("Predict").extras
    assert again is not dock
    assert train.hold.isChecked()
    assert not train.hold.isEnabled()
    assert [role for role, box in extras.items() if box.isChecked()] == ["uncertainty"]
    assert again.bench.session.extra_outputs == {"uncertainty"}


NAMES = ("1 Volume", "2 Annotate", "3 Train", "4 Predict", "5 Compare", "Densify")


def test_all_docks_open_and_close_without_leaking(viewer, qtbot):
    from napari_densify.plugin.step import Panel

    def alive() -> int:
        gc.collect()
        return sum(isinstance(w, Panel) for w in QApplication.allWidgets())

    before = alive()
    for name in NAMES:
        made, _ = viewer.window.add_plugin_dock_widget("napari-densify", name)
        viewer.window.remove_dock_widget(made)
        del made, _
    qtbot.waitUntil(lambda: alive() == before, timeout=5000)


def test_the_engine_ends_with_the_last_dock(hands, viewer, wait_for):
    hands.open_project()
    wait_for(lambda: hands.bench.client.state == "ready")
    pid = hands.bench.client.pid
    viewer.window.remove_dock_widget(hands.dock)
    wait_for(lambda: not psutil.pid_exists(pid))


NOISE = r"""
import sys
sys.stdout.write('hello {\n\n{"kind": "nonsense"}\n')
sys.stdout.write('{"kind": "ready", "ver'); sys.stdout.flush()
sys.stdout.write('sion": "1", "device": "cpu"}\n'); sys.stdout.flush()
import json
for line in sys.stdin:
    job = json.loads(line)["job"]
    print(json.dumps({"kind": "done", "job": "train-0-9", "result": {"stale": True}}))
    print(json.dumps({"kind": "done", "job": job, "result": {"größe": 1}}), flush=True)
"""


def test_noise_half_lines_and_stale_answers(qtbot):
    from napari_densify.core.requests import InfoRequest

    client = EngineClient([sys.executable, "-X", "utf8", "-c", NOISE])
    heard = []
    client.heard.connect(heard.append)
    job = client.submit(InfoRequest(image="x"))
    qtbot.waitUntil(lambda: any(e.kind == "done" for e in heard), timeout=20000)
    assert [e.kind for e in heard] == ["ready", "done"]
    assert heard[-1].job == job
    assert heard[-1].result == {"größe": 1}
    client.close()
    assert client.pid == 0


def test_a_start_right_after_a_failed_one(qtbot):
    from napari_densify.core.requests import InfoRequest

    client = EngineClient(["/no/such/program"])
    heard = []
    client.heard.connect(heard.append)
    client.submit(InfoRequest(image="x"))
    qtbot.waitUntil(lambda: bool(heard), timeout=10000)
    assert heard[0].kind == "failed"
    assert "could not be started" in heard[0].message
    heard.clear()
    client.command = [sys.executable, "-X", "utf8", "-c", NOISE]
    job = client.submit(InfoRequest(image="x"))
    qtbot.waitUntil(lambda: any(e.kind == "done" for e in heard), timeout=20000)
    assert heard[-1].job == job
    client.close()


def test_wrapped_lines_push_down_what_follows(dock, qtbot):
    step = dock.step("Train")
    dock.parts["Train"].expand()
    for label in (step.before, step.gauge, step.plan):
        label.setText("words that need several lines " * 8)
        label.show()
    step.curves.show()
    qtbot.wait(50)
    items = [step.body.itemAt(i) for i in range(step.body.count())]
    places = [item.geometry() for item in items if not item.isEmpty()]
    shown = sorted((p.top(), p.bottom()) for p in places)
    assert all(below > end for (_, end), (below, _) in pairwise(shown)), shown


def test_no_step_is_wider_than_the_dock(dock, qtbot):
    for part in dock.parts.values():
        part.expand()
    qtbot.wait(50)
    room = dock.minimumWidth() - dock.verticalScrollBar().sizeHint().width()
    wide = {name: part.minimumSizeHint().width() for name, part in dock.parts.items()}
    assert max(wide.values()) <= room, wide
