"""Painting aids, pressed and clicked in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from scipy import ndimage

from napari_densify.annotations import Edit
from napari_densify.core.errors import InputError
from napari_densify.plugin.advice import propose_held_out
from napari_densify.plugin.class_table import add_class, replace_class
from napari_densify.plugin.import_dialog import ImportDialog
from napari_densify.plugin.layers import add_quietly, find_layer, mark_layer, place_like
from napari_densify.plugin.proposal import Boxed
from napari_densify.project import Project


@pytest.fixture
def predicted(hands):
    """A project in which the truth is predicted, and the buttons of the aids."""
    hands.open_project()
    canvas = hands.bench.canvas
    layer = Labels(
        hands.truth.astype(np.uint8),
        name="Prediction 1",
        **place_like(canvas.image_layer, hands.session.project.spacing),
    )
    mark_layer(layer, "prediction", "1")
    add_quietly(canvas.viewer, layer, below=canvas.paint_layer)
    hands.aids = hands.dock.step("Annotate").aids
    hands.paint_of = lambda z: np.asarray(hands.session.paint[z])
    canvas.go_to_slice(4)
    return hands


def undone(hands):
    """Take one step back."""
    hands.click(hands.aids["undo"])
    return hands.session.paint.counts()


def test_a_slice_is_accepted(predicted):
    predicted.click(predicted.aids["accept"])
    np.testing.assert_array_equal(predicted.paint_of(4), predicted.truth[4])
    assert set(predicted.session.slice_counts()) == {4}
    assert undone(predicted) == {}


def test_the_brush_copies_both_classes_and_paint_wins(predicted):
    predicted.session.paint[4, 24, 10] = 3 - predicted.truth[4, 24, 10]
    predicted.click(predicted.aids["brush"])
    assert predicted.aids["brush"].isChecked()
    predicted.stroke(4, [(24, x) for x in range(4, 44, 2)], 1)
    paint = predicted.paint_of(4)
    copied = paint != 0
    assert copied[24, 6:40].all()
    assert not copied[:18].any()
    different = np.argwhere(copied & (paint != predicted.truth[4]))
    assert different.tolist() == [[24, 10]]
    assert set(np.unique(paint[copied])) == {1, 2}
    assert sum(undone(predicted).values()) == 1
    predicted.click(predicted.aids["brush"])
    assert not predicted.aids["brush"].isChecked()
    predicted.stroke(4, [(24, 6), (24, 8)], 1)
    assert predicted.session.paint.counts()[1] > 1  # napari's own brush is back


def test_another_tool_of_napari_ends_the_brush(predicted):
    predicted.click(predicted.aids["brush"])
    predicted.bench.canvas.paint_layer.mode = "fill"
    assert not predicted.aids["brush"].isChecked()
    names = [c.__name__ for c in predicted.bench.canvas.paint_layer.mouse_drag_callbacks]
    assert names.count("draw") == 1
    assert "_copy_stroke" not in names


def test_an_object_is_copied_by_a_click(predicted):
    pieces, _ = ndimage.label(predicted.truth[4] == 2)
    y, x = (int(c) for c in ndimage.center_of_mass(pieces == 1))
    predicted.click(predicted.aids["object"])
    native = predicted.bench.canvas.viewer.window._qt_viewer.canvas.native
    at = predicted.pixel(4, y, x)
    QTest.mouseClick(native, Qt.LeftButton, Qt.NoModifier, at)
    np.testing.assert_array_equal(predicted.paint_of(4) == 2, pieces == 1)
    assert undone(predicted) == {}


def test_a_gap_is_proposed_accepted_and_undone_in_one_step(predicted, wait_for):
    paint, truth = predicted.session.paint, predicted.truth
    paint[3], paint[6] = truth[3], truth[6]
    proposal, panel = predicted.bench.proposal, predicted.dock.step("Annotate").panel
    predicted.click(predicted.aids["propose"])
    wait_for(lambda: proposal.edit is not None)
    layer = find_layer(predicted.bench.canvas.viewer, "proposal")
    assert not layer.editable
    assert set(predicted.session.slice_counts()) == {3, 6}  # nothing is paint yet
    assert predicted.bench.canvas.viewer.layers.selection.active.name == "Annotations"
    predicted.click(panel.reject)
    assert find_layer(predicted.bench.canvas.viewer, "proposal") is None
    predicted.click(predicted.aids["propose"])
    wait_for(lambda: proposal.edit is not None)
    paint[4, 20, 20] = 3 - truth[4, 20, 20]
    predicted.click(panel.accept)
    assert set(predicted.session.slice_counts()) == {3, 4, 5, 6}
    assert paint[4, 20, 20] == 3 - truth[4, 20, 20]
    ball, found = truth[4:6] == 2, np.asarray(paint[4:6]) == 2
    assert 2 * np.count_nonzero(ball & found) / (ball.sum() + found.sum()) > 0.8
    undone(predicted)
    assert sum(predicted.session.slice_counts()[4].values()) == 1
    assert 5 not in predicted.session.slice_counts()


def test_what_cannot_be_done_is_said(predicted):
    said = []
    predicted.session.said.connect(lambda level, text: said.append(text))
    predicted.click(predicted.aids["propose"])
    assert "does not lie between two painted slices" in said[-1]
    predicted.bench.canvas.viewer.layers["Prediction 1"].visible = False
    predicted.click(predicted.aids["accept"])
    assert "no prediction is shown" in said[-1]
    predicted.click(predicted.aids["brush"])
    assert not predicted.aids["brush"].isChecked()
    with pytest.raises(InputError, match="nothing is proposed"):
        predicted.bench.proposal.accept()


def test_keys_work_on_the_canvas(predicted):
    native = predicted.bench.canvas.viewer.window._qt_viewer.canvas.native
    QTest.keyClick(native, Qt.Key_A)
    assert set(predicted.session.slice_counts()) == {4}
    QTest.keyClick(native, Qt.Key_H)
    assert predicted.session.held_out == {4}
    QTest.keyClick(native, Qt.Key_E, Qt.ShiftModifier)
    assert predicted.session.slice_counts() == {}
    QTest.keyClick(native, Qt.Key_1)
    assert predicted.bench.canvas.paint_layer.selected_label == 1


def test_annotations_of_another_program_become_paint(predicted, tmp_path, monkeypatch, wait_for):
    mask = np.zeros(predicted.truth.shape, np.uint8)
    mask[2, 5:9, 5:9], mask[6, 20:30, 20:30] = 128, 255
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    predicted.session.paint[6, 20, 20] = 1
    seen = []

    def look(dialog):
        dialog.table.cellWidget(1, 2).setValue(1)  # 128
        dialog.table.cellWidget(2, 2).setValue(2)  # 255
        seen.append(dialog.result_line.text())
        return True

    monkeypatch.setattr(ImportDialog, "exec", look)
    predicted.bench.importer.open(tmp_path / "mask.tif")
    wait_for(lambda: 2 in predicted.session.slice_counts())
    assert predicted.session.slice_counts()[2] == {1: 16}
    assert predicted.session.slice_counts()[6] == {1: 1, 2: 99}
    assert "16" in seen[0]
    assert undone(predicted) == {1: 1}


def test_the_strokes_of_a_round_come_back_in_one_step(predicted):
    paint = predicted.session.paint
    paint[2, 5:9, 5:9] = 1
    paint.flush()
    made = predicted.session.project.new_round()
    paint[2, 5:9, 5:9] = 2
    paint[5, 1:3] = 1
    before = np.asarray(paint)
    predicted.bench.painter.restore(made)
    assert predicted.session.slice_counts() == {2: {1: 16}}
    predicted.click(predicted.aids["undo"])
    np.testing.assert_array_equal(np.asarray(paint), before)


def test_a_box_reads_as_a_whole_volume():
    mask = np.ones((2, 3, 4), bool)
    values = np.arange(1, 25, dtype=np.uint8)
    edit = Edit((slice(1, 3), slice(2, 5), slice(0, 4)), mask, values)
    boxed = Boxed(edit, (5, 6, 7))
    full = np.zeros((5, 6, 7), np.uint8)
    full[1:3, 2:5, :4] = values.reshape(mask.shape)
    for key in (slice(None), 1, 4, (2, slice(3, 6)), (slice(None), 3), (slice(None), 2, 1)):
        np.testing.assert_array_equal(boxed[key], full[key])
    np.testing.assert_array_equal(np.asarray(boxed), full)


def test_a_label_that_is_no_class_is_not_taken(predicted):
    said = []
    predicted.session.said.connect(lambda level, text: said.append(text))
    canvas = predicted.bench.canvas
    layer, native = canvas.paint_layer, canvas.viewer.window._qt_viewer.canvas.native
    layer.selected_label = 1
    layer.selected_label = 3
    assert layer.selected_label == 1
    assert said == ["label 3 is no class: press Add class first"]
    layer.selected_label = 0  # napari's eraser
    assert layer.selected_label == 0
    predicted.click(predicted.dock.step("Annotate").add)
    QTest.keyClick(native, Qt.Key_3)
    assert layer.selected_label == 3
    session = predicted.session
    session.set_classes(replace_class(session.classes, 2, key="Q"))
    session.set_classes(session.classes.only([1, 2]))
    assert layer.selected_label == 2
    layer.selected_label = 1
    for key in (Qt.Key_2, Qt.Key_3):
        QTest.keyClick(native, key)
        assert layer.selected_label == 1
    QTest.keyClick(native, Qt.Key_Q)
    assert layer.selected_label == 2


def test_a_removed_class_comes_back_with_a_rounds_paint(predicted, wait_for):
    session = predicted.session
    session.set_classes(add_class(session.classes))
    session.paint[2, 5:9, 5:9] = 3
    session.paint.flush()
    made = session.project.new_round()
    session.paint[2, 5:9, 5:9] = 0
    session.set_classes(session.classes.only([1, 2]))
    predicted.bench.painter.restore(made)
    wait_for(lambda: session.classes.values == (1, 2, 3))
    assert 3 in predicted.bench.canvas.paint_layer.colormap.color_dict


def test_a_prediction_is_not_copied_onto_what_it_is_scored_on(predicted):
    session, said = predicted.session, []
    session.said.connect(lambda level, text: said.append(text))
    session.set_held_out(4, True)
    pieces, _ = ndimage.label(predicted.truth[4] == 2)
    y, x = (int(c) for c in ndimage.center_of_mass(pieces == 1))
    spacing = session.project.spacing
    predicted.click(predicted.aids["accept"])
    with pytest.raises(InputError, match="is held out"):
        predicted.bench.painter.copy_object((4 * spacing[0], y * spacing[1], x * spacing[2]))
    predicted.click(predicted.aids["brush"])
    predicted.stroke(4, [(24, x) for x in range(4, 44, 2)], 1)
    assert session.counts() == {}
    assert len(said) == 2  # once a stroke
    assert all("is held out" in text for text in said)
    predicted.bench.canvas.point.go_to("XZ", 20)
    predicted.bench.painter.accept_slice()
    assert set(session.slice_counts()) == set(range(8)) - {4}


def test_a_copied_slice_that_is_held_out_afterwards_is_warned_of(predicted):
    session, said = predicted.session, []
    session.said.connect(lambda level, text: said.append((level, text)))
    predicted.click(predicted.aids["accept"])
    (copied,) = session.slice_counts()
    for z in range(8):
        if z != copied:
            session.paint[z, 5:9, 5:9] = 1
    session.set_held_out(copied - 1, True)
    assert said == []
    session.set_held_out(copied, True)
    ((level, text),) = said
    assert level == "warning"
    assert f"slice {copied} holds paint that was copied from a prediction" in text
    with Project.open(session.project.path, read_only=True) as again:
        assert again.document.copied == (copied,)
    session.set_held_out(copied, False)
    predicted.click(predicted.aids["erase"])
    session.recount()
    session.paint[copied, 5:9, 5:9] = 1
    session.set_held_out(copied, True)
    assert len(said) == 1, "painted by hand since"


def test_a_copied_slice_is_not_proposed_to_be_held_out():
    assert propose_held_out([1, 2, 3, 4, 5], [], [3]) == 4
    assert propose_held_out([1, 2, 3, 4, 5], [], [1, 2, 3, 4, 5]) is None


def test_no_gap_is_filled_from_or_onto_held_out_slices(predicted, wait_for):
    session, proposal, truth = predicted.session, predicted.bench.proposal, predicted.truth
    for z in (2, 4, 6):
        session.paint[z] = truth[z]
    session.paint[4, :20] = 0
    session.set_held_out(4, True)
    with pytest.raises(InputError, match="is held out"):
        proposal.make()
    predicted.bench.canvas.go_to_slice(5)
    proposal.make()
    wait_for(lambda: proposal.edit is not None)
    assert set(np.unique(proposal.edit.indices[0])) == {3, 5}
    session.set_held_out(5, True)
    proposal.accept()
    assert set(session.slice_counts()) == {2, 3, 4, 6}
