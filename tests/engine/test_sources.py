"""Annotations of other programs in place of label files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_densify.annotations import FileAnnotations
from napari_densify.core.errors import InputError
from napari_densify.engine.sources import open_painted
from napari_densify.io import write_volume


def rectangle(y0: int, x0: int, y1: int, x1: int) -> list[list[int]]:
    return [[x0, y0, x1, y0, x1, y1, x0, y1]]


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Three slices; a cell in the first, a nucleus on a cell in the last."""
    shapes = [(1, 1, (2, 3, 10, 15)), (3, 1, (0, 0, 8, 8)), (3, 2, (2, 2, 5, 6))]
    content = {
        "images": [
            {"id": i, "file_name": f"z{i}.png", "height": 20, "width": 30} for i in (1, 2, 3)
        ],
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "nucleus"}],
        "annotations": [
            {"id": n, "image_id": i, "category_id": c, "segmentation": rectangle(*box)}
            for n, (i, c, box) in enumerate(shapes)
        ],
    }  # fmt: skip
    path = tmp_path / "polygons.json"
    path.write_text(json.dumps(content))
    return path


def test_coco_polygons_are_paint(coco: Path, tmp_path: Path) -> None:
    image = write_volume(tmp_path / "image.tif", np.zeros((3, 20, 30), np.uint8))
    found = open_painted(str(image), str(coco))
    expected = np.zeros((3, 20, 30), int)
    expected[0, 2:10, 3:15] = 1
    expected[2, :8, :8] = 1
    expected[2, 2:5, 2:6] = 2
    box = tuple(slice(0, n) for n in expected.shape)
    np.testing.assert_array_equal(found.annotations.read(box), expected)
    assert found.classes is not None
    assert [c.name for c in found.classes.classes] == ["cell", "nucleus"]


def test_polygons_of_another_volume_are_refused(coco: Path, tmp_path: Path) -> None:
    image = write_volume(tmp_path / "image.tif", np.zeros((4, 20, 30), np.uint8))
    with pytest.raises(InputError, match=r"polygons.json.*\(3, 20, 30\)"):
        open_painted(str(image), str(coco))


class _Watched:
    """An array that counts how often it is read."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels, self.shape, self.reads = labels, labels.shape, 0

    def __getitem__(self, key: object) -> np.ndarray:
        self.reads += 1
        return self.labels[key]


def test_a_label_file_is_looked_through_once() -> None:
    labels = np.zeros((3, 20, 30), np.uint8)
    labels[1, 2:4, 5:9] = 2
    watched = _Watched(labels)
    paint = FileAnnotations(watched)
    for _ in range(2):
        assert paint.slice_counts() == {1: {2: 8}}
        assert paint.counts() == {2: 8}
        assert paint.painted_boxes() == [(slice(1, 2), slice(2, 4), slice(5, 9))]
    assert watched.reads == 2 * len(labels)  # for the counts, and for the boxes
