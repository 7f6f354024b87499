"""Layers of the user become paint, after a look, and one undo takes them back."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.layers import Labels, Points, Shapes

from napari_densify.core.errors import InputError
from napari_densify.io import apply_import, plan_import, scan_labels
from napari_densify.plugin import layer_import
from napari_densify.plugin.import_dialog import ImportDialog
from napari_densify.plugin.layer_import import source_of

NM = ("nm", "nm", "nm")
SPACING = (20.0, 10.0, 10.0)


def square(z, y, x, edge):
    corners = [(0, 0), (0, edge), (edge, edge), (edge, 0)]
    return np.array([[z, y + dy, x + dx] for dy, dx in corners], float)


def painted(source):
    return apply_import(source, plan_import(source)).read_labels()


@pytest.fixture
def image():
    from napari.layers import Image

    return Image(np.zeros((8, 48, 48), np.uint8), scale=SPACING, units=NM, translate=(0, 50, 0))


def test_drawings_land_where_they_are_seen(image):
    shapes = Shapes([square(2, 5, 5, 9)], shape_type="rectangle", scale=SPACING, units=NM)
    labels = painted(source_of(shapes, image, (8, 48, 48)))
    rows, columns = (np.flatnonzero(labels[2].any(axis)) for axis in (1, 0))
    assert (rows[0], columns[0]) == (0, 5), "the image begins 5 voxels further down"
    assert labels[[0, 1, 3]].max() == 0


def test_classes_are_told_apart_by_feature_or_colour(image):
    points = Points(
        [[1, 10, 10], [3, 20, 20]], features={"label": ["cell", "gap"]}, size=1,
        scale=SPACING, units=NM,
    )  # fmt: skip
    assert [i.key for i in source_of(points, image, (8, 48, 48)).items[1:]] == ["cell", "gap"]
    points = Points([[1, 10, 10], [3, 20, 20]], face_color=["red", "blue"], scale=SPACING, units=NM)
    items = source_of(points, image, (8, 48, 48)).items[1:]
    assert [i.color for i in items] == ["#ff0000", "#0000ff"]


def test_a_labels_layer_of_another_volume_is_refused(image):
    with pytest.raises(InputError, match="has shape"):
        source_of(Labels(np.ones((2, 9, 9), np.uint8)), image, (8, 48, 48))


def test_from_a_layer_to_paint_and_back(hands, qtbot, monkeypatch):
    hands.open_project()
    step = hands.dock.step("Annotate")
    assert not step.take_layer.isVisibleTo(step)
    canvas = hands.bench.canvas
    image = canvas.image_layer
    drawn = canvas.viewer.add_shapes(
        [square(2, 5, 5, 9)], shape_type="rectangle", scale=image.scale, units=image.units,
        name="Zellen",
    )  # fmt: skip
    assert step.take_layer.isVisibleTo(step)
    seen = []

    def look(dialog):
        seen.append(dialog.plan.count())
        return True

    monkeypatch.setattr(ImportDialog, "exec", look)
    step.take_layer.open(drawn)
    qtbot.waitUntil(lambda: bool(hands.session.counts()), timeout=10000)
    assert hands.session.counts() == {1: seen[0]["Zellen"]}
    assert hands.session.classes.name(1) == "Zellen"
    hands.bench.painter.undo()
    assert hands.session.counts() == {}


def test_labels_are_read_in_a_thread_and_shown_once(hands, viewer, qtbot, monkeypatch):
    viewer.window.add_plugin_dock_widget("napari-densify", "2 Annotate")
    hands.open_project()
    threads, shown = [], []

    def scan(volume):
        threads.append(threading.current_thread())
        return scan_labels(volume)

    monkeypatch.setattr(layer_import, "scan_labels", scan)
    monkeypatch.setattr(ImportDialog, "exec", lambda dialog: shown.append(dialog))
    mine = viewer.add_labels(hands.truth.astype(np.uint8))
    with qtbot.waitSignal(hands.bench.importer.read, timeout=10000):
        hands.dock.step("Annotate").take_layer.open(mine)
    assert threads[0] is not threading.main_thread()
    assert len(shown) == 1


def test_labels_beside_the_image_are_offered(hands, qtbot, monkeypatch, image_file):
    import tifffile

    labels = np.zeros((8, 48, 48), np.uint8)
    labels[2, :9], labels[2, 9:] = 1, 2
    tifffile.imwrite(image_file.with_name(f"{image_file.stem}_labels.tif"), labels)
    hands.open_project()
    step = hands.dock.step("Annotate")
    qtbot.waitUntil(lambda: step.beside.isVisibleTo(step), timeout=10000)
    assert step.beside.text() == f"Import {image_file.stem}_labels.tif"
    monkeypatch.setattr(ImportDialog, "exec", lambda dialog: True)
    hands.click(step.beside)
    qtbot.waitUntil(lambda: bool(hands.session.counts()), timeout=10000)
    assert hands.session.counts() == {1: 9 * 48, 2: 39 * 48}
    hands.bench.close_project()
    assert not step.beside.isVisibleTo(step)
