from __future__ import annotations

import os
import sys

import pytest

from napari_densify.core.errors import InputError
from napari_densify.engine.outputs import require_folder, require_label_file, require_writable


def test_missing_folders_are_made_and_nothing_is_left_in_them(tmp_path):
    target = require_writable(tmp_path / "a b" / "ö" / "m.safetensors")
    assert target.parent.is_dir()
    assert list(target.parent.iterdir()) == []


def test_an_older_result_stays_until_it_is_replaced(tmp_path):
    old = tmp_path / "labels.tif"
    old.write_bytes(b"old")
    require_label_file(old)
    assert old.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["labels.png", "labels", ".tif.txt", "labels.nii.gz"])
def test_unknown_endings(tmp_path, name):
    with pytest.raises(InputError, match=r"end it with one of \.zarr, \.tif, .*\.nrrd"):
        require_label_file(tmp_path / name)
    with pytest.raises(InputError, match=r"end it with \.zip$"):
        require_writable(tmp_path / name, suffixes=(".zip",))


def test_no_name():
    with pytest.raises(InputError, match="-o"):
        require_writable("")


def test_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "labels.tif").mkdir()
    with pytest.raises(InputError, match="folder"):
        require_writable(tmp_path / "labels.tif")


def test_zarr_may_be_a_folder(tmp_path):
    (tmp_path / "labels.zarr").mkdir()
    assert require_writable(tmp_path / "labels.zarr")


@pytest.mark.parametrize("name", ["image.tif", "sub/../image.tif"])
def test_an_input_is_never_written_over(tmp_path, name):
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError, match="written over"):
        require_writable(tmp_path / name, inputs=[str(tmp_path / "image.tif")])


def test_nor_the_store_that_holds_it(tmp_path):
    with pytest.raises(InputError, match="written over"):
        require_writable(tmp_path / "a.zarr", inputs=[f"{tmp_path}/a.zarr/0", "b.h5::x"])


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        require_folder(tmp_path / "file" / "sub")


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="needs a user without all rights"
)
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        require_writable(tmp_path / "labels.tif")
    tmp_path.chmod(0o700)
