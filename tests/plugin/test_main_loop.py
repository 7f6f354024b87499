"""The real engine behind the real viewer: what was painted is what is predicted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from napari_densify.plugin.engine_client import engine_command
from napari_densify.project import Project

BAR = 0.75
"""Dice on slices without paint, after half a minute of training on one slice."""


@pytest.mark.slow
@pytest.mark.parametrize("swapped", [False, True])
def test_strokes_train_predict(hands, swapped):
    hands.bench.client.free()
    hands.bench.client.command = engine_command()
    hands.open_project()
    hands.paint(3, swapped=swapped)
    settings = hands.session.train_settings.model_copy(update={"budget_s": 30.0, "threads": 2})
    hands.session.set_train_settings(settings)
    hands.click(hands.dock.step("Train").train)
    hands.idle(timeout=200_000)
    hands.click(hands.dock.step("Predict").predict)
    hands.idle(timeout=200_000)
    unpainted = [0, 1, 2, 4, 5, 6, 7]
    found = np.asarray(hands.bench.canvas.prediction_layer.data[:])[unpainted]
    ball, predicted = hands.truth[unpainted] == 2, found == (1 if swapped else 2)
    dice = 2 * np.count_nonzero(ball & predicted) / (ball.sum() + predicted.sum())
    assert dice > BAR


VIEWER = """
import sys, napari, numpy as np
from pathlib import Path
from napari_densify.plugin.workbench import workbench_of
viewer = napari.Viewer(show=False)
image = viewer.add_image(np.zeros((4, 64, 64), np.uint8))
viewer.window.add_plugin_dock_widget("napari-densify", "Densify")
bench = workbench_of(viewer)
bench.create_project(image, Path(sys.argv[1]))
from qtpy.QtCore import QTimer
def paint():
    if bench.session.project is None or bench.client.state != "ready":
        QTimer.singleShot(50, paint)
        return
    layer = bench.canvas.paint_layer
    layer.paint((1, 20, 20), 1)
    layer.paint((2, 30, 30), 2)
    layer.undo()
    QTimer.singleShot(1000, tell)
def tell():
    layer = bench.canvas.paint_layer
    layer._begin_stroke()  # in mid-stroke when the end comes
    layer.paint((3, 10, 10), 2)
    print("ready", bench.client.pid, flush=True)
QTimer.singleShot(0, paint)
napari.run()
"""


def test_killed_viewer_loses_at_most_a_second_and_leaves_no_engine(tmp_path, qapp):
    folder = tmp_path / "mit Leerzeichen.densify"
    command = [sys.executable, "-c", VIEWER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
        line = next(x for x in iter(viewer.stdout.readline, "") if x.startswith("ready"))
        engine = psutil.Process(int(line.split()[1]))
        os.kill(viewer.pid, signal.SIGKILL)
    with Project.open(folder) as project:
        painted = project.annotations().slice_counts()
    assert painted[1].keys() == {1}  # the stroke of a second ago
    assert 2 not in painted  # it was undone
    deadline = time.monotonic() + 20
    while engine.is_running() and engine.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the engine outlived its viewer"
        time.sleep(0.05)


LIGHT = """
import sys, napari
viewer = napari.Viewer(show=False)
viewer.window.add_plugin_dock_widget("napari-densify", "Densify")
print(*sorted({"torch", "sklearn"} & set(sys.modules)))
viewer.close()
"""


def test_opening_the_dock_loads_neither_torch_nor_sklearn(qapp):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == []
