from __future__ import annotations

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.engine.many import expand_images, output_names
from napari_densify.io import write_labels


@pytest.fixture
def volumes(tmp_path):
    for name in ("b.tif", "a.tif"):
        write_labels(tmp_path / name, np.ones((3, 4, 5), np.uint8))
    return tmp_path


def test_folder_of_volumes(volumes):
    assert expand_images([str(volumes)]) == [str(volumes / "a.tif"), str(volumes / "b.tif")]


def test_broken_and_foreign_files_do_not_hide_the_volumes(volumes):
    (volumes / "0.tif").write_bytes(b"broken")
    (volumes / "notes.txt").write_text("hello")
    found = expand_images([str(volumes)])
    assert [name.rpartition("/")[2] for name in found] == ["0.tif", "a.tif", "b.tif"]


def test_folder_of_slices_is_one_volume(tmp_path):
    for z in range(3):
        write_labels(tmp_path / f"slice{z}.tif", np.ones((1, 4, 5), np.uint8))
    assert expand_images([str(tmp_path)]) == [str(tmp_path)]


def test_an_image_and_its_labels_are_one_volume(tmp_path):
    for name in ("a_image.tif", "a_labels.tif"):
        write_labels(tmp_path / name, np.ones((3, 4, 5), np.uint8))
    assert expand_images([str(tmp_path)]) == [str(tmp_path / "a_image.tif")]


def test_zarr_folder_is_one_volume(tmp_path):
    write_labels(tmp_path / "a.zarr", np.ones((3, 4, 5), np.uint8))
    assert expand_images([str(tmp_path / "a.zarr")]) == [str(tmp_path / "a.zarr")]
    assert expand_images([str(tmp_path)]) == [str(tmp_path / "a.zarr")]


def test_list_file(volumes):
    (volumes / "list.txt").write_text("# the first\na.tif\n\n  b.tif  # the second\n")
    found = expand_images([f"@{volumes / 'list.txt'}", "c.h5::raw"])
    assert found == [str(volumes / "a.tif"), str(volumes / "b.tif"), "c.h5::raw"]


def test_list_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="list cannot be read"):
        expand_images([f"@{tmp_path / 'no.txt'}"])


def test_empty_list(tmp_path):
    (tmp_path / "list.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match="no images"):
        expand_images([f"@{tmp_path / 'list.txt'}"])


def test_one_image_one_file():
    assert [str(p) for p in output_names(["a.tif"], "out.zarr")] == ["out.zarr"]


def test_names_in_a_folder(tmp_path):
    images = ["x/a.ome.tif", "y/b.zarr", "c.h5::vol/raw", "d.nii.gz"]
    names = [p.name for p in output_names(images, str(tmp_path))]
    assert names == ["a.tif", "b.zarr", "c-vol-raw.tif", "d.tif"]
    assert [p.name for p in output_names(images[:1], str(tmp_path), suffix="-p")] == ["a-p.tif"]


def test_several_images_do_not_go_into_one_file():
    with pytest.raises(InputError, match="cannot go into one file"):
        output_names(["a.tif", "b.tif"], "out.tif")


def test_equal_names_are_refused():
    with pytest.raises(InputError, match="called a"):
        output_names(["x/a.tif", "y/a.tif"], "out")
