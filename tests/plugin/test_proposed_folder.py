from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_densify.data import sample_files, sample_names
from napari_densify.plugin.places import default_folder, proposed_folder
from napari_densify.project import Project


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("exp.01.tif", "exp.01.densify"),
        ("exp.02.ome.tif", "exp.02.densify"),
        ("a.nii.gz", "a.densify"),
        ("a.zarr::3/b", "a.densify"),
        ("slices 5", "slices 5.densify"),
        ("slices_*.TIF", "slices_.densify"),
        (".tif", "volume.densify"),
    ],
)
def test_only_the_ending_of_a_file_is_cut_off(tmp_path, file, folder):
    assert default_folder("a", str(tmp_path / file)).name == folder


@pytest.mark.parametrize("name", sample_names())
def test_a_layer_name_becomes_a_name_that_windows_can_have(name):
    folder = default_folder(sample_files(name).title, "")
    assert folder.parent == Path.home() / "Densify"
    assert not set(folder.name) & set('<>:"/\\|?*')
    assert default_folder("raw/cells: 2?", "").name == "raw-cells-2.densify"


def test_the_project_of_another_image_is_not_proposed(tmp_path):
    image = tmp_path / "cells.npy"
    np.save(image, np.zeros((2, 5, 6), np.uint8))
    folder = default_folder("a", str(image))
    assert proposed_folder("a", str(image), (2, 5, 6)) == folder
    Project.create(folder, shape=(2, 5, 6), image=str(image)).close()
    assert proposed_folder("a", str(image), (2, 5, 6)) == folder
    second = tmp_path / "cells-2.densify"
    assert proposed_folder("a", str(image), (3, 5, 6)) == second
    assert proposed_folder("a", str(image.with_suffix(".tif")), (2, 5, 6)) == second
    second.mkdir()
    assert proposed_folder("a", str(image), (3, 5, 6)).name == "cells-3.densify"
