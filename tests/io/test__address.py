from __future__ import annotations

from pathlib import Path

import pytest

from napari_densify.io._address import Address, expand_glob, natural_key, parse_address


def test_a_data_set_follows_two_colons(tmp_path: Path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"not read here")
    assert parse_address(f"{path}::volumes/raw") == Address(str(path), "volumes/raw")
    assert parse_address(path) == Address(str(path))
    assert parse_address("s3://bucket/a.zarr::labels").dataset == "labels"
    assert parse_address("s3://bucket/a.zarr").is_url


@pytest.mark.parametrize(
    ("path", "dataset", "name"),
    [
        ("/data/cell.ome.tif", "", "cell"),
        ("/data/cell.nii.gz", "", "cell"),
        ("/data/cell.zarr/", "", "cell"),
        ("C:\\data\\cell.v2.tif", "", "cell.v2"),
        ("/data/slices", "", "slices"),
        ("s3://bucket/cell.ome.zarr", "labels/a", "cell labels/a"),
    ],
)
def test_short_names(path, dataset, name):
    assert Address(path, dataset).name == name


def test_natural_order(tmp_path: Path):
    names = ["z10.tif", "Z2.tif", "z1.tif", "a.tif", "z2b.tif", "07.tif"]
    assert sorted(names, key=natural_key) == [
        "07.tif", "a.tif", "z1.tif", "Z2.tif", "z2b.tif", "z10.tif",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).touch()
    found = expand_glob(Address(f"{tmp_path}/z*.tif"))
    assert [p.name for p in found][-1] == "z10.tif"
