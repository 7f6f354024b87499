"""One method with its preview, pictures of two results, the table."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_densify.classical import preview_slice
from napari_densify.io import open_labels
from napari_densify.plugin.candidates import stack_of
from napari_densify.plugin.layers import find_layer, grid_of, mark_layer
from napari_densify.plugin.pictures import DIVIDER
from napari_densify.plugin.score_table import ScoreTable, columns_of, read_table
from napari_densify.plugin.truth import write_truth

ROWS = [
    {"method": "Threshold", "family": "threshold", "mean Dice": 0.7, "low": 0.6, "high": 0.8,
     "mean IoU": 0.5, "Dice cell": 0.6, "recall cell": 0.9, "seconds": 0.1, "parameters": "a=1"},
    {"method": "1", "family": "network", "mean Dice": 0.9, "low": None, "high": None,
     "mean IoU": 0.8, "Dice cell": 0.85, "recall cell": 0.8, "seconds": 9.0, "parameters": ""},
    {"method": "Watershed", "family": "watershed", "error": "no seeds"},
]  # fmt: skip


@pytest.fixture
def compare(hands):
    """The step, unfolded, with two slices painted."""
    hands.open_project()
    for z in (3, 5):  # not by the mouse: other tests do, and it takes ten seconds
        hands.session.paint[z] = hands.truth[z]
    hands.bench.canvas.paint_layer.refresh()
    hands.dock.parts["Compare"].expand()
    return hands.dock.step("Compare")


def names_of(table: ScoreTable) -> list[str]:
    rows = [n for n in range(table.table.rowCount()) if not table.table.isRowHidden(n)]
    return [table.table.item(n, 0).text() for n in rows]


def test_table_sorts_filters_and_shows_every_column(qtbot, tmp_path):
    table = ScoreTable()
    qtbot.addWidget(table)
    table.set_rows(ROWS)
    assert names_of(table) == ["Round 1", "Threshold", "Watershed"]
    assert table.table.item(1, 2).text() == "0.60–0.80"
    table.table.sortItems(4)
    assert names_of(table)[-1] == "Round 1"
    table.group.setCurrentText("cell")
    heads = [table.table.horizontalHeaderItem(i).text() for i in range(5)]
    assert heads == ["Method", "Dice", "IoU", "precision", "recall"]
    table.filter.setText("THRESH")
    assert names_of(table) == ["Threshold"]
    table.filter.setText("network")
    assert names_of(table) == ["Round 1"]
    shown = {key for keys in columns_of(ROWS).values() for key in keys}
    assert shown >= {"parameters", "seconds", "boundary F1", "Rand error", "VI", "recall cell"}
    table.copy.click()
    assert QApplication.clipboard().text() == table.text()
    assert table.text().count("\n") == 4
    (tmp_path / "table.csv").write_text(table.text(","))
    again = read_table(tmp_path / "table.csv")
    assert [row["mean Dice"] for row in again] == [0.7, 0.9, None]
    table.filter.clear()
    table.set_rows(again)
    assert names_of(table) == ["Round 1", "Threshold", "Watershed"]


def test_a_table_goes_to_a_csv_or_it_is_said_why_not(hands, compare, tmp_path, monkeypatch):
    said, folder = [], tmp_path / "tables"
    hands.session.said.connect(lambda level, text: said.append((level, text)))
    chosen = (str(folder / "scores"), "CSV (*.csv)")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: chosen)
    compare.table.set_rows(ROWS)
    compare.table.save.click()
    assert said[-1][0] == "warning"
    assert f"{folder / 'scores.csv'}: No such file" in said[-1][1]
    folder.mkdir()
    compare.table.save.click()
    assert said[-1] == ("info", f"Saved {folder / 'scores.csv'}")
    assert len(read_table(folder / "scores.csv")) == len(ROWS)


@pytest.mark.parametrize("job", ["compare", "suggest"])
def test_a_job_on_the_paint_has_the_newest_strokes(hands, compare, monkeypatch, job):
    session = hands.session
    session.project.new_round().model.touch()
    asked = []
    monkeypatch.setattr(
        hands.bench, "submit", lambda request: asked.append((request.kind, session.paint.unsaved))
    )
    session.paint[2, 3, 4] = 1
    getattr(hands.bench, job)()
    assert asked == [(job, 0)]


def test_preview_follows_slider_and_slice(hands, compare, wait_for):
    panel, viewer = compare.one, hands.bench.canvas.viewer
    panel.method.setCurrentIndex(panel.method.findData("threshold"))
    hands.bench.canvas.go_to_slice(4)
    mode = hands.bench.canvas.paint_layer.mode
    panel.live.setChecked(True)
    wait_for(lambda: find_layer(viewer, "preview", "trial") is not None)
    layer = find_layer(viewer, "preview", "trial")

    def expected(z, **parameters):
        project = hands.session.project
        paint = np.asarray(hands.session.paint)
        options = {"annotations": paint, "classes": project.classes, "parameters": parameters}
        *_, plane = preview_slice("threshold", project.image(), z, **options)
        return plane

    wait_for(lambda: np.array_equal(layer.data[4], expected(4)))
    assert not np.asarray(layer.data[2]).any()
    panel.form.row("sigma").setValue(6.0)
    wait_for(lambda: np.array_equal(layer.data[4], expected(4, sigma=6.0)))
    hands.bench.canvas.go_to_slice(2)
    wait_for(lambda: np.array_equal(layer.data[2], expected(2, sigma=6.0)))
    assert "Preview after" in panel.status.text()
    assert viewer.layers.selection.active is hands.bench.canvas.paint_layer
    assert hands.bench.canvas.paint_layer.mode == mode
    panel.tune.click()
    wait_for(lambda: panel.status.text().startswith("Tuned"))
    assert panel.parameters.sigma != 6.0
    panel.live.setChecked(False)
    assert find_layer(viewer, "preview", "trial") is None


@pytest.fixture
def results(hands, compare):
    """Two results and a truth as layers of the volume."""
    canvas, truth = hands.bench.canvas, hands.truth.astype(np.uint8)
    wrong = truth.copy()
    wrong[:, :6] = 3 - wrong[:, :6]
    image = canvas.image_layer
    place = {"scale": image.scale, "units": image.units}
    made = [Labels(a, name=n, **place) for a, n in ((truth, "truth"), (wrong, "wrong"))]
    for layer in made:
        canvas.viewer.add_layer(layer)
    return made


def test_differences_of_any_two_layers(hands, compare, results, wait_for):
    truth, wrong = results
    panel, viewer = compare.pictures, hands.bench.canvas.viewer
    panel.first.setCurrentIndex(panel.first.findText("wrong"))
    panel.second.setCurrentIndex(panel.second.findText("truth"))
    hands.click(panel.buttons["differ"])
    layer = find_layer(viewer, "picture", "difference")
    assert panel.value.currentText() == "foreground"
    expected = np.where(wrong.data == truth.data, 0, np.where(wrong.data == 2, 1, 2))
    np.testing.assert_array_equal(np.asarray(layer.data), expected)
    assert "false positive (foreground)" in panel.legend.text()
    assert not layer.editable
    panel.value.setCurrentIndex(0)
    np.testing.assert_array_equal(np.asarray(layer.data), 3 * (wrong.data != truth.data))
    panel.second.setCurrentIndex(panel.second.findText("Annotations"))
    painted = np.asarray(hands.session.paint)
    np.testing.assert_array_equal(
        np.asarray(layer.data), 3 * ((painted > 0) & (painted != wrong.data))
    )
    hands.click(panel.buttons["differ"])
    assert find_layer(viewer, "picture", "difference") is None


def test_flicker_shows_one_at_a_time_and_gives_back(hands, compare, results, wait_for):
    panel = compare.pictures
    panel.first.setCurrentIndex(panel.first.findText("wrong"))
    panel.second.setCurrentIndex(panel.second.findText("truth"))
    truth, wrong = results
    before = [layer.visible for layer in hands.bench.canvas.viewer.layers]
    hands.click(panel.buttons["flicker"])
    assert (wrong.visible, truth.visible) == (True, False)
    wait_for(lambda: (wrong.visible, truth.visible) == (False, True))
    hands.click(panel.buttons["flicker"])
    assert [layer.visible for layer in hands.bench.canvas.viewer.layers] == before


@pytest.mark.parametrize("how", ["layer", "project", "choice"])
def test_flicker_ends_with_what_it_shows(hands, compare, results, qtbot, how):
    panel, viewer = compare.pictures, hands.bench.canvas.viewer
    panel.first.setCurrentIndex(panel.first.findText("wrong"))
    panel.second.setCurrentIndex(panel.second.findText("truth"))
    truth, wrong = results
    hands.click(panel.buttons["flicker"])
    if how == "layer":
        viewer.layers.remove(truth)
    elif how == "project":
        hands.bench.close_project()
    else:
        panel.second.setCurrentIndex(panel.first.currentIndex())
    assert not panel.buttons["flicker"].isChecked()
    assert wrong.visible
    qtbot.wait(700)  # a turn that were still taken would raise here


def test_swipe_follows_its_slider_and_gives_back(hands, compare, results):
    truth, wrong = results
    panel, viewer = compare.pictures, hands.bench.canvas.viewer
    panel.first.setCurrentIndex(panel.first.findText("wrong"))
    panel.second.setCurrentIndex(panel.second.findText("truth"))
    before = [layer.visible for layer in viewer.layers]
    hands.click(panel.buttons["swipe"])
    width = truth.data.shape[2]
    for share in (0.5, 0.25):
        panel.swipe.setValue(round(share * panel.swipe.maximum()))
        shown, line = np.asarray(find_layer(viewer, "picture", "swipe").data), round(share * width)
        np.testing.assert_array_equal(shown[..., :line], wrong.data[..., :line])
        assert (shown[..., line] == DIVIDER).all()
        np.testing.assert_array_equal(shown[..., line + 1 :], truth.data[..., line + 1 :])
    hands.click(panel.buttons["swipe"])
    assert find_layer(viewer, "picture", "swipe") is None
    assert [layer.visible for layer in viewer.layers] == before


@pytest.mark.parametrize("picture", ["difference", "swipe"])
def test_what_is_only_for_now_goes_with_the_project(hands, compare, results, wait_for, picture):
    canvas, proposal, panel = hands.bench.canvas, hands.bench.proposal, compare.pictures
    viewer, image, buttons = canvas.viewer, canvas.image_layer, panel.buttons
    panel.first.setCurrentIndex(panel.first.findText("wrong"))
    panel.second.setCurrentIndex(panel.second.findText("truth"))
    canvas.go_to_slice(4)
    proposal.make()
    wait_for(lambda: proposal.edit is not None)
    preview = viewer.add_labels(results[0].data, scale=image.scale, units=image.units)
    mark_layer(preview, "preview", "trial")
    mark_layer(results[1], "prediction", "1")
    hands.click(buttons["differ" if picture == "difference" else picture])
    hands.click(buttons["grid"])
    assert find_layer(viewer, "picture", picture) is not None
    viewer.window._qt_window.hide()
    hands.bench.close_project()
    assert set(viewer.layers) == {image, *results}
    assert not any("densify" in layer.metadata for layer in viewer.layers)
    assert proposal.edit is None
    assert not grid_of(viewer).enabled
    assert not any(button.isChecked() for button in buttons.values())


def test_contours(hands, compare, results):
    hands.click(compare.pictures.buttons["contours"])
    assert {layer.contour for layer in results} == {2}
    assert hands.bench.canvas.paint_layer.contour == 0
    hands.click(compare.pictures.buttons["contours"])
    assert {layer.contour for layer in results} == {0}


def test_hidden_layers_have_no_cell_and_names_are_shown(hands, compare):
    from napari_densify.plugin.grid import set_side_by_side

    canvas = hands.bench.canvas
    viewer, image = canvas.viewer, canvas.image_layer
    stranger = Labels(hands.truth.astype(np.uint8), name="mine", visible=False)
    viewer.add_layer(stranger)
    for name, role, visible in (
        ("a", "method", True),
        ("b", "preview", False),
        ("c", "method", True),
    ):
        layer = Labels(
            hands.truth.astype(np.uint8), name=name, scale=image.scale, units=image.units
        )
        layer.visible = visible
        mark_layer(layer, role, name)
        viewer.add_layer(layer)
    set_side_by_side(canvas, True)
    grid = grid_of(viewer)
    cells = [
        [viewer.layers[i] for i in inside if viewer.layers[i].visible]
        for _, inside in grid.iter_viewboxes(viewer.layers)
        if inside
    ]
    # An image and a label layer in every cell, none for the hidden preview.
    assert len(cells) == 3
    for below, above in cells:
        assert type(below).__name__ == "Image"
        assert type(above).__name__ == "Labels"
        assert below is image or below.name.endswith(above.name)
        assert above.name_overlay.visible
    viewer.layers["b"].visible = True
    assert len([c for _, c in grid.iter_viewboxes(viewer.layers) if c]) == 4
    set_side_by_side(canvas, False)
    assert not any(layer.name_overlay.visible for layer in viewer.layers)
    assert image.visible


def test_a_truth_layer_is_scored_on(hands, compare, results, monkeypatch, wait_for):
    index = compare.truth.findText("truth")
    assert index > 0
    sent, submit = [], hands.bench.submit
    hands.session.project.update(spacing_known=False)
    monkeypatch.setattr(hands.bench, "submit", lambda r: (sent.append(r), submit(r)))
    compare.truth.setCurrentIndex(index)
    hands.click(compare.compare)
    wait_for(lambda: bool(sent))
    hands.idle()
    assert sent[-1].zero == "unscored"
    folder = hands.session.project.path / "comparison"
    saved = open_labels(folder / "truth-layer.zarr")
    np.testing.assert_array_equal(saved.read_labels(), hands.truth)
    assert not saved.spacing_known  # it is only assumed
    assert names_of(compare.table)[0] == "round 1"

    compare.scored.zero.setChecked(True)
    hands.click(compare.compare)
    wait_for(lambda: len(sent) == 2)
    hands.idle()
    assert sent[-1].zero == "background"


def test_a_truth_is_written_at_its_finest_level(tmp_path):
    fine = np.ones((4, 8, 8), np.uint8)
    layer = Labels([fine, fine[:, ::2, ::2]], multiscale=True)
    path = write_truth(
        stack_of(layer), tmp_path / "comparison", (1.0, 1.0, 1.0), spacing_known=True
    )
    assert open_labels(path).shape == (4, 8, 8)


def test_a_truth_of_one_slice_may_be_2d(viewer, dock, tmp_path, wait_for):
    image = viewer.add_image(np.zeros((32, 32), np.uint8))
    dock.bench.create_project(image, tmp_path / "flat.densify")
    wait_for(lambda: dock.bench.session.project is not None)
    viewer.add_labels(np.ones((32, 32), np.uint8), name="flat truth")
    scored = dock.step("Compare").scored
    assert scored.zero.isHidden()
    scored.layer.setCurrentIndex(scored.layer.findText("flat truth"))
    assert scored.chosen is viewer.layers["flat truth"]
    assert not scored.zero.isHidden()


def test_the_note_says_how_much_paint_is_scored(hands, compare):
    hands.session.set_held_out(3, True)
    assert compare.note.text() == "Scored on held-out slice 3."
    hands.session.paint[3, 2:] = 0
    hands.session.recount()
    plane = hands.truth[3]
    few = int(np.count_nonzero(plane[:2]))
    assert f"the {few:,} painted voxels ({100 * few / plane.size:.2g} %)" in compare.note.text()
    assert "too high for whole slices" in compare.note.text()
