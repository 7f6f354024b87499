from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.io import list_datasets, open_image, open_labels, write_ome_labels

from .formats import SPACING, ome_entry

CLASSES = ClassTable.from_values([1, 2, 300], names={2: "nucleus"}, background=1)


@pytest.fixture(params=["0.4", "0.5"])
def image(request, tmp_path: Path, stack) -> Path:
    path = tmp_path / "image.ome.zarr"
    group = zarr.create_group(path, zarr_format=2 if request.param == "0.4" else 3)
    entry = ome_entry(SPACING, levels=2)
    if request.param == "0.4":
        group.attrs["multiscales"] = [{"version": "0.4", **entry}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [entry]}
    group.create_array("0", data=stack)
    group.create_array("1", data=stack[::2, ::2, ::2])
    return path


@pytest.fixture
def labels(stack) -> np.ndarray:
    return np.random.default_rng(0).choice([0, 1, 2, 300], stack.shape).astype(np.uint16)


def test_labels_lie_beside_the_image_with_its_pyramid_and_voxel_size(image, labels, stack):
    path = write_ome_labels(image, "cells", labels, classes=CLASSES)
    assert path == image / "labels" / "cells"
    volume = open_labels(path)
    np.testing.assert_array_equal(volume.read_labels(), labels)
    assert volume.spacing == pytest.approx(SPACING)
    assert volume.metadata["classes"] == CLASSES
    coarse = open_labels(path, level=1)
    np.testing.assert_array_equal(coarse.read_labels(), labels[::2, ::2, ::2])
    assert coarse.spacing == pytest.approx(np.multiply(SPACING, 2))
    np.testing.assert_array_equal(open_image(image).read()[0], stack)
    assert [d.name for d in list_datasets(image)] == ["", "labels/cells"]
    np.testing.assert_array_equal(open_labels(f"{image}::labels/cells").read_labels(), labels)


def test_names_and_colours_are_where_the_specification_has_them(image, labels):
    path = write_ome_labels(image, "cells", labels, classes=CLASSES)
    write_ome_labels(image, "again", labels, classes=CLASSES)
    version = zarr.open_group(image).metadata.zarr_format
    if version == 2:
        attributes = json.loads((path / ".zattrs").read_text())
        listed = json.loads((path.parent / ".zattrs").read_text())["labels"]
        assert attributes["image-label"]["version"] == "0.4"
    else:
        attributes = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
        listed = json.loads((path.parent / "zarr.json").read_text())["attributes"]["ome"]["labels"]
        assert attributes["version"] == "0.5"
    assert listed == ["again", "cells"]
    label = attributes["image-label"]
    rgb = list(bytes.fromhex(CLASSES.classes[1].color[1:]))
    assert label["colors"][1] == {"label-value": 2, "rgba": [*rgb, 255]}
    assert label["properties"][1] == {"label-value": 2, "name": "nucleus"}
    assert label["source"] == {"image": "../../"}


def test_colours_of_other_programs_become_a_class_table(image, labels):
    path = write_ome_labels(image, "cells", labels, classes=CLASSES)
    del zarr.open_group(path, mode="r+").attrs["densify"]
    found = open_labels(path).metadata["classes"]
    assert [(c.value, c.name, c.color) for c in found.classes] == [
        (c.value, c.name, c.color) for c in CLASSES.classes
    ]
    assert found.background is None


def test_labels_are_not_overwritten_unasked(image, labels):
    write_ome_labels(image, "cells", labels, classes=CLASSES)
    with pytest.raises(InputError, match="already has labels 'cells'"):
        write_ome_labels(image, "cells", labels * 0, classes=CLASSES)
    write_ome_labels(image, "cells", labels * 0, classes=CLASSES, overwrite=True)
    assert not open_labels(image / "labels" / "cells").read_labels().any()
    assert sorted(p.name for p in (image / "labels").iterdir() if p.is_dir()) == ["cells"]


def test_a_write_that_fails_leaves_the_old_labels(image, labels):
    write_ome_labels(image, "cells", labels, classes=CLASSES)
    with pytest.raises(InputError, match="label values"):
        write_ome_labels(image, "cells", -labels.astype(int), classes=CLASSES, overwrite=True)
    np.testing.assert_array_equal(open_labels(image / "labels" / "cells").read_labels(), labels)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "..\\x", "C:x"])
def test_a_name_cannot_lead_elsewhere(name, image, labels):
    with pytest.raises(InputError, match="is no name"):
        write_ome_labels(image, name, labels, classes=CLASSES)


def test_what_does_not_fit_is_refused(image, labels, tmp_path):
    with pytest.raises(InputError, match="for an image of shape"):
        write_ome_labels(image, "cells", labels[1:], classes=CLASSES)
    zarr.create_array(tmp_path / "plain.zarr", data=labels)
    with pytest.raises(InputError, match=r"plain\.zarr: labels cannot be written"):
        write_ome_labels(tmp_path / "plain.zarr", "cells", labels, classes=CLASSES)
