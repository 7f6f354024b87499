from __future__ import annotations

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.io import Drawing, apply_import, drawing_source, plan_import, read_import

SHAPE = (4, 40, 50)


def draw(*drawings):
    source = drawing_source(drawings, SHAPE, kind="napari shapes", source="Shapes")
    return apply_import(source, plan_import(source)).read_labels(), source


def corners(z, *points):
    return np.array([[z, y, x] for y, x in points], float)


@pytest.fixture
def layers():
    """napari's own drawing of shapes, to compare with."""
    napari = pytest.importorskip("napari")
    return napari.layers


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("polygon", [(5, 5), (30, 8), (20, 40)]),
        ("rectangle", [(5, 5), (5, 30), (25, 30), (25, 5)]),
        ("ellipse", [(5, 5), (5, 35), (25, 35), (25, 5)]),
        ("ellipse", [(15, 5), (25, 15), (20, 20), (10, 10)]),
    ],
)
def test_areas_are_those_that_napari_draws(layers, kind, points):
    labels, _ = draw(Drawing(kind, corners(2, *points)))
    flat = np.array(points, float)
    shown = layers.Shapes([flat], shape_type=kind).to_labels(SHAPE[1:])
    assert labels[[0, 1, 3]].max() == 0
    differ = np.count_nonzero((labels[2] > 0) != (shown > 0))
    assert differ < 0.12 * np.count_nonzero(shown), "beyond a voxel along the border"


def test_lines_and_points_have_their_width():
    labels, _ = draw(Drawing("path", corners(0, (10, 10), (10, 30), (20, 30)), width=3))
    np.testing.assert_array_equal(labels[0, 8:13, 20], [0, 1, 1, 1, 0])
    labels, _ = draw(Drawing("point", corners(1, (10, 10)), width=1))
    assert np.argwhere(labels).tolist() == [[1, 10, 10]]
    labels, _ = draw(Drawing("point", corners(1, (10.2, 9.8)), width=6))
    assert np.count_nonzero(labels) == 29


def test_each_key_is_a_class_and_the_later_one_wins():
    square = corners(1, (0, 0), (0, 9), (9, 9), (9, 0))
    labels, source = draw(
        Drawing("polygon", square, "cell", "#ff0000"),
        Drawing("polygon", square + np.array([0, 5, 0]), "nucleus"),
        Drawing("point", corners(3, (1, 1)), "cell"),
    )
    assert labels[1, 2, 2] == 1
    assert labels[1, 7, 2] == 2
    assert labels[3, 1, 1] == 1
    rows = {i.key: (i.color, i.voxels) for i in source.items}
    assert rows["cell"] == ("#ff0000", int((labels == 1).sum()))
    assert rows["not drawn"] == ("", int((labels == 0).sum()))


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        (Drawing("polygon", np.array([[0, 1, 1], [1, 5, 5], [2, 9, 1]], float)), "from slice 0 to"),
        (Drawing("point", corners(9, (1, 1))), "lies on slice 9"),
        (Drawing("point", corners(1, (np.nan, 1))), "no places in an image"),
        (Drawing("path", corners(1, (0, 0), (1e300, 1))), "no places in an image"),
        (Drawing("ellipse", corners(1, (0, 0), (5, 5))), "ellipse of 2 corners"),
        (Drawing("banana", corners(1, (0, 0), (5, 5), (9, 0))), "shapes that napari knows"),
    ],
)
def test_what_does_not_lie_on_a_slice_is_refused(drawing, message):
    with pytest.raises(InputError, match=message):
        draw(drawing)


def test_nothing_drawn_is_refused():
    with pytest.raises(InputError, match="no shapes or points"):
        draw()


def test_csv_files_that_napari_saved(layers, tmp_path):
    triangle = corners(2, (5, 5), (30, 8), (20, 40))
    from napari_builtins.io import napari_write_points, napari_write_shapes

    shapes = layers.Shapes([triangle], shape_type="polygon").as_layer_data_tuple()
    points = layers.Points([[1, 3, 4], [2, 8, 9]], size=1).as_layer_data_tuple()
    assert napari_write_shapes(str(tmp_path / "s.csv"), *shapes[:2])
    assert napari_write_points(str(tmp_path / "p.csv"), *points[:2])
    source = read_import(tmp_path / "s.csv", shape=SHAPE)
    labels = apply_import(source, plan_import(source)).read_labels()
    np.testing.assert_array_equal(labels, draw(Drawing("polygon", triangle))[0])
    assert source.kind == "napari shapes"
    source = read_import(tmp_path / "p.csv", shape=SHAPE)
    labels = apply_import(source, plan_import(source)).read_labels()
    assert np.argwhere(labels).tolist() == [[1, 3, 4], [2, 8, 9]]


def test_a_column_tells_classes_apart_and_2d_drawings_lie_on_slice_0(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("index,axis-0,axis-1,class\n0.0,3,4,cell\n1.0,7,8,gap\n", "utf-8")
    source = read_import(path, shape=(1, 40, 50))
    assert [i.key for i in source.items] == ["not drawn", "cell", "gap"]
    assert apply_import(source, plan_import(source)).read_labels()[0, 7, 8] == 2


@pytest.mark.parametrize(
    "text", ["\n", "a,b\n1,2\n", "index,axis-0\n0,x\n", "index,axis-0,axis-1\n0,1\n"]
)
def test_other_tables_are_one_line(tmp_path, text):
    path = tmp_path / "p.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"p\.csv"):
        read_import(path, shape=SHAPE)
    with pytest.raises(InputError, match="--image"):
        read_import(path)
