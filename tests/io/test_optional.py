"""Formats whose library is an extra say which one to install."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.io import open_image


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [
        ("a.h5", "h5py", "hdf5"),
        ("a.mrc", "mrcfile", "mrc"),
        ("a.nii.gz", "nibabel", "nifti"),
        ("a.nrrd", "nrrd", "nrrd"),
        ("s3://bucket/a.zarr", "fsspec", "remote"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(name, library, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / "a").write_bytes(b"x")
    address = name if "://" in name else str((tmp_path / "a").rename(tmp_path / name))
    with pytest.raises(InputError, match=rf'pip install "napari-densify\[{extra}\]"'):
        open_image(address)


def test_a_zarr_at_a_remote_address(tmp_path):
    pytest.importorskip("fsspec")
    import zarr

    stack = np.arange(4 * 20 * 30, dtype=np.uint16).reshape(4, 20, 30)
    zarr.create_array("memory://bucket/a.zarr", data=stack, chunks=(1, 20, 30))
    volume = open_image("memory://bucket/a.zarr")
    np.testing.assert_array_equal(volume.read()[0], stack)
    with pytest.raises(InputError, match=r"memory://bucket/b\.zarr"):
        open_image("memory://bucket/b.zarr")


def test_other_formats_at_a_remote_address_are_refused_in_one_line():
    with pytest.raises(InputError, match=r"only Zarr.*copy the file here"):
        open_image("https://example.org/a.tif")
