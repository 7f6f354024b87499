from __future__ import annotations

import numpy as np
import pytest

from napari_densify.annotations import ArrayAnnotations, measure_coverage, widest_gaps
from napari_densify.core.labels import ClassTable

TABLE = ClassTable.from_values(
    [1, 2, 3], names={1: "background", 2: "membrane", 3: "vesicle"}, background=1
)


def cover(*strokes, held_out=(), table=TABLE):
    labels = np.zeros((4, 10, 10), np.uint8)
    for z, rows, value in strokes:
        labels[z, rows] = value
    return measure_coverage(ArrayAnnotations(labels), table, held_out=held_out)


def test_rows_count_voxels_and_slices():
    coverage = cover((0, slice(0, 5), 1), (0, 5, 2), (2, slice(0, 2), 2), held_out=[2])
    rows = {c.name: (c.value, c.voxels, c.held_out_voxels, c.slices) for c in coverage.classes}
    assert rows == {
        "background": (1, 50, 0, 1),
        "membrane": (2, 10, 20, 2),
        "vesicle": (3, 0, 0, 0),
    }
    assert coverage.slices == {0: 0.6, 2: 0.2}
    assert coverage.painted == pytest.approx(80 / 400)


def test_codes_that_the_table_lacks_are_shown_too():
    coverage = cover((0, 0, 1), (0, 1, 9))
    assert [(c.value, c.name, c.voxels) for c in coverage.classes][-1] == (9, "class 9", 10)


@pytest.mark.parametrize(
    ("strokes", "held_out", "warning"),
    [
        ([], (), "nothing is painted yet"),
        ([(0, 0, 2)], (), "only membrane is painted: paint a second class, the background too"),
        ([(0, 0, 2), (0, 1, 3)], (), "no background is painted"),
        ([(0, 0, 1), (0, 1, 2), (1, 0, 3)], (1,), "vesicle is painted on held-out slices only"),
        ([(0, 0, 1), (0, 1, 2), (1, 0, 1)], (1,), "membrane is on no held-out slice"),
        ([(0, slice(0, 10), 1), (1, slice(0, 10), 1), (0, (0, 0), 2)], (), None),
    ],
)
def test_warnings(strokes, held_out, warning):
    warnings = cover(*strokes, held_out=held_out).warnings
    assert warnings == () if warning is None else any(w.startswith(warning) for w in warnings)


def test_a_rare_class_is_told():
    labels = np.ones((4, 10, 100), np.uint8)
    labels[0, 0, :3] = 2
    coverage = measure_coverage(ArrayAnnotations(labels), TABLE)
    assert coverage.warnings == ("membrane is rare (3 voxels): paint more of it",)


def test_files_without_a_background_are_not_warned_about_one():
    table = ClassTable.from_values([1, 2])
    assert cover((0, 0, 1), (0, 1, 2), table=table).warnings == ()


@pytest.mark.parametrize(
    ("painted", "count", "chosen"),
    [
        ([], 1, [5]),
        ([5], 2, [0, 9]),
        ([0, 9], 1, [5]),
        ([0, 9], 3, [5, 3, 7]),
        (range(10), 2, []),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], 5, [9]),
    ],
)
def test_the_widest_gaps_are_painted_next(painted, count, chosen):
    assert widest_gaps(painted, 10, count) == chosen
