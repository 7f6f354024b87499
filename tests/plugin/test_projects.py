"""One project after another in the same viewer: nothing of the first enters the second."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest
import tifffile
import zarr
from qtpy.QtCore import QItemSelectionModel
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_densify.io import open_labels, plan_import, read_import
from napari_densify.plugin import importer
from napari_densify.plugin.layers import find_layer
from napari_densify.project import Project


@pytest.fixture
def painted(hands):
    """A project with both classes painted on two slices, and the viewer out of sight.

    Mesa's software OpenGL crashed here where it drew after the first annotation layer was gone.
    """
    hands.open_project()
    hands.bench.canvas.viewer.window._qt_window.hide()
    for z in (3, 5):
        hands.session.paint[z] = hands.truth[z]
    hands.bench.canvas.paint_layer.refresh()
    return hands


@pytest.fixture
def second(tmp_path, image_file, balls):
    """The folder of another project, of the same image, that has no paint."""
    volume, _ = balls
    folder = tmp_path / "second.densify"
    Project.create(folder, shape=volume.shape, image=str(image_file)).close()
    return folder


def roles(viewer):
    return {layer.metadata.get("densify", {}).get("role") for layer in viewer.layers}


def test_a_deleted_round_leaves_no_prediction_behind(painted):
    bench, session = painted.bench, painted.session
    session.extra_outputs = frozenset({"probabilities"})
    bench.train()
    painted.idle()
    bench.predict()
    painted.idle()
    folder = session.project.prediction_path(1)
    assert folder.exists()
    assert {"prediction", "probabilities"} <= roles(bench.canvas.viewer)
    session.start_from = 1
    bench.delete_round(session.project.round(1))
    assert not {"prediction", "probabilities"} & roles(bench.canvas.viewer)
    assert session.start_from == 0  # the next round may have its number
    session.choose_round(0)
    bench.train()
    painted.idle()
    assert not folder.exists()


def test_after_a_deletion_the_round_that_predicts_is_highlighted(painted, monkeypatch):
    session, panel = painted.session, painted.dock.step("Predict").rounds
    for _ in range(3):
        session.project.new_round().model.touch()
    session.choose_round(1)
    assert [r.number for r in panel.selected()] == [1]
    monkeypatch.setattr(QMessageBox, "question", lambda *a: QMessageBox.StandardButton.Yes)
    panel.delete.click()
    assert [r.number for r in panel.selected()] == [session.chosen_round().number] == [3]
    flags = QItemSelectionModel.SelectionFlag
    first = panel.table.model().index(0, 0)
    panel.table.selectionModel().select(first, flags.Select | flags.Rows)  # as Ctrl+click does
    assert [r.number for r in panel.selected()] == [2, 3]
    assert panel.pair.isEnabled()


def test_a_job_of_a_closed_project_does_not_enter_the_next(painted, second, monkeypatch, wait_for):
    monkeypatch.setenv("DENSIFY_FAKE_STEPS", "2000")
    bench, session = painted.bench, painted.session
    first = session.project.path
    bench.train()
    wait_for(lambda: len(session.training.loss) > 3)
    bench.close_project()
    bench.open_project(second)
    wait_for(lambda: session.project is not None)
    painted.idle()
    assert session.project.path == second
    assert (session.round_number, session.training.loss) == (0, [])
    assert find_layer(bench.canvas.viewer, "prediction", "1") is None
    with Project.open(first) as again:
        assert [len(r.scores["curves"]["loss"]) > 3 for r in again.rounds()] == [True]


def test_a_project_opened_over_another_one_can_be_painted(painted, second, wait_for):
    bench, session = painted.bench, painted.session
    first, dead = session.project.path, bench.canvas.paint_layer
    bench.open_project(second)
    wait_for(lambda: session.project.path == second)
    assert dead not in bench.canvas.viewer.layers
    bench.canvas.paint_layer.paint((2, 20, 20), 2)
    assert session.counts()[2] > 0
    with Project.open(first) as again:
        assert set(again.annotations().slice_counts()) == {3, 5}


def test_only_one_project_is_opened_at_a_time(painted, second, wait_for):
    bench, session, said = painted.bench, painted.session, []
    first = session.project.path
    bench.close_project()
    session.said.connect(lambda level, text: said.append(text))
    bench.open_project(first)
    assert not painted.dock.step("Volume").sources.isEnabled()
    bench.open_project(second)
    assert "a project is being opened" in said[-1]
    wait_for(lambda: session.project is not None)
    assert session.project.path == first


def test_a_project_is_not_opened_over_another_image(painted, viewer, balls, second, wait_for):
    volume, _ = balls
    bench, session, said = painted.bench, painted.session, []
    folder, own = session.project.path, bench.canvas.image_layer
    bench.close_project()
    session.said.connect(lambda level, text: said.append(text))
    other = viewer.add_image(255 - np.asarray(volume.data), name="other")
    bench.open_project(folder, other)
    wait_for(lambda: session.project is not None)
    assert bench.canvas.image_layer not in (other, own)
    np.testing.assert_array_equal(bench.canvas.image_layer.data[2], volume.data[2])
    assert "another image than other" in said[-1]
    bench.close_project()
    bench.open_project(second, own)
    wait_for(lambda: session.project is not None)
    assert bench.canvas.image_layer is own


def test_what_is_saved_is_the_chosen_round_and_its_gaps_are_said(
    painted, tmp_path, monkeypatch, wait_for
):
    bench, session, said = painted.bench, painted.session, []
    save = painted.dock.step("Predict").save
    session.said.connect(lambda level, text: said.append((level, text)))
    bench.train()
    painted.idle()
    bench.predict()
    painted.idle()
    layer = bench.canvas.prediction_layer
    bench.train()
    painted.idle()
    assert bench.canvas.prediction_layer is None  # that on screen is of the first round
    assert save.isHidden()
    session.choose_round(1)
    assert bench.canvas.prediction_layer is layer
    assert not save.isHidden()
    save.save(layer, tmp_path / "whole.tif")
    wait_for(lambda: said[-1] == ("info", f"Saved {tmp_path / 'whole.tif'}"))
    group = zarr.open_group(session.project.prediction_path(1), mode="r+")
    group.attrs["densify"] = {**group.attrs["densify"], "complete": False}
    save.save(layer, tmp_path / "half.tif")
    wait_for(lambda: said[-1][0] == "warning")
    assert said[-1][1].endswith("half.tif; unfinished: what was not written yet is 0")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (a[2], "OME-Zarr (*.zarr)"))
    save.click()
    wait_for(lambda: said[-1][1].startswith("Saved") and ".zarr;" in said[-1][1])


def test_an_assumed_voxel_size_is_not_saved_as_a_fact(painted, tmp_path, wait_for):
    session, said = painted.session, []
    session.project.update(spacing_known=False)
    session.said.connect(lambda level, text: said.append(text))
    path = tmp_path / "labels.tif"
    painted.dock.step("Predict").save.save(painted.bench.canvas.paint_layer, path)
    wait_for(lambda: said == [f"Saved {path}"])
    assert not open_labels(path).spacing_known


@pytest.fixture
def slow_import(painted, tmp_path, monkeypatch, wait_for):
    """Import of a mask that is 2 on slice 4, held up until the event is set."""
    mask = np.zeros(painted.truth.shape, np.uint8)
    mask[4] = 2
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    source, go_on, found = read_import(tmp_path / "mask.tif"), Event(), importer._edits

    def held_up(*arguments):
        edits = found(*arguments)
        assert go_on.wait(20)
        return edits

    busy = []
    painted.bench.importer.busy_changed.connect(busy.append)
    monkeypatch.setattr(importer, "_edits", held_up)
    painted.bench.importer.apply(source, plan_import(source).with_value(2, 2))
    yield go_on
    go_on.set()
    wait_for(lambda: busy == [True, False])


def test_what_is_painted_during_an_import_stays(painted, slow_import, wait_for, qtbot):
    qtbot.wait(200)  # its edits are there
    painted.session.paint[4, :10] = 1
    slow_import.set()
    wait_for(lambda: 2 in painted.session.slice_counts().get(4, {}))
    assert (np.asarray(painted.session.paint[4, :10]) == 1).all()
    assert (np.asarray(painted.session.paint[4, 10:]) == 2).all()


def test_an_import_does_not_go_into_the_next_project(painted, slow_import, second, wait_for):
    session, said = painted.session, []
    painted.bench.open_project(second)
    wait_for(lambda: session.project.path == second)
    session.said.connect(lambda level, text: said.append(text))
    slow_import.set()
    wait_for(lambda: bool(said))
    assert "closed meanwhile" in said[-1]
    assert session.counts() == {}
