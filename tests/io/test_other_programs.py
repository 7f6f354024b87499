"""Files written here, opened by the tools that users have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_densify.core.labels import ClassTable
from napari_densify.io import write_labels, write_ome_labels, write_volume

from .formats import ome_entry

SPACING = (40.0, 8.0, 5.0)
FACTS = {"spacing": SPACING, "spacing_known": True}
CLASSES = ClassTable.from_values([1, 2, 5], names={5: "nucleus"}, background=1)


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).choice([0, 1, 2, 5], (6, 40, 50)).astype(np.uint8)


def models(version: str):
    """Data models of the OME-Zarr specification, by the ome-zarr-models project."""
    pytest.importorskip("ome_zarr_models")
    from importlib import import_module

    return import_module(f"ome_zarr_models.{version}")


def test_a_prediction_is_a_valid_ome_zarr_image(tmp_path: Path, labels):
    path = write_labels(tmp_path / "a.zarr", labels, classes=CLASSES, **FACTS)
    image = models("v05").Image.from_zarr(zarr.open_group(path, mode="r"))
    scale = image.ome_attributes.multiscales[0].datasets[0].coordinateTransformations[0].scale
    assert list(scale) == pytest.approx(SPACING)


def test_labels_beside_an_image_are_valid_ome_zarr_labels(tmp_path: Path, labels):
    image = write_volume(tmp_path / "a.zarr", labels, **FACTS)
    path = write_ome_labels(image, "cells", labels, classes=CLASSES)
    module = models("v05")
    found = module.ImageLabel.from_zarr(zarr.open_group(path, mode="r"))
    assert [c.label_value for c in found.ome_attributes.image_label.colors] == [1, 2, 5]
    listed = module.Labels.from_zarr(zarr.open_group(image / "labels", mode="r"))
    assert listed.ome_attributes.labels == ["cells"]


def test_labels_beside_an_older_image_are_valid_too(tmp_path: Path, labels):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    entry = ome_entry(SPACING, levels=1)
    group.attrs["multiscales"] = [{"version": "0.4", **entry}]
    group.create_array("0", data=labels)
    path = write_ome_labels(tmp_path / "a.zarr", "cells", labels, classes=CLASSES)
    # The attributes alone: the models of whole groups of 0.4 fail with pydantic 2.14.
    models("v04")
    from ome_zarr_models.v04.image_label import ImageLabelAttrs

    attributes = json.loads((path / ".zattrs").read_text())
    found = ImageLabelAttrs.model_validate(attributes)
    assert [c.label_value for c in found.image_label.colors] == [1, 2, 5]
    assert [a.name for a in found.multiscales[0].axes] == ["z", "y", "x"]


def test_napari_ome_zarr_shows_image_and_labels(tmp_path: Path, labels):
    reader = pytest.importorskip("napari_ome_zarr._reader")
    image = write_volume(tmp_path / "a.zarr", labels * 40, **FACTS)
    write_ome_labels(image, "cells", labels, classes=CLASSES)
    layers = reader.napari_get_reader(str(image))(str(image))
    shown, painted = layers
    np.testing.assert_array_equal(np.asarray(shown[0][0]), labels * 40)
    assert list(shown[1]["scale"]) == pytest.approx(SPACING)
    assert painted[2] == "labels"
    np.testing.assert_array_equal(np.asarray(painted[0][0]), labels)


def test_hdf5_opens_in_h5py_with_ilastiks_axes(tmp_path: Path, labels):
    h5py = pytest.importorskip("h5py")
    path = write_labels(tmp_path / "a.h5", labels, classes=CLASSES, **FACTS)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["exported_data"], labels)
        axes = json.loads(file["exported_data"].attrs["axistags"])["axes"]
    assert [axis["key"] for axis in axes] == ["z", "y", "x"]


def test_tiff_opens_in_tifffile_and_says_its_axes(tmp_path: Path, labels):
    path = write_labels(tmp_path / "a.tif", labels, classes=CLASSES, **FACTS)
    with tifffile.TiffFile(path) as tif:
        assert (tif.series[0].axes, tif.series[0].shape) == ("ZYX", labels.shape)
        np.testing.assert_array_equal(tif.asarray(), labels)
        assert tif.imagej_metadata["images"] == labels.shape[0]


def test_pillow_turns_the_pages_of_a_tiff(tmp_path: Path, labels):
    from PIL import Image

    path = write_labels(tmp_path / "a.tif", labels, **FACTS)
    with Image.open(path) as image:
        for z in range(image.n_frames):
            image.seek(z)
            np.testing.assert_array_equal(np.asarray(image), labels[z])
