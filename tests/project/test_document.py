from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.project import Project
from napari_densify.project.document import MIGRATIONS, VERSION, migrate, read_document

STORED = Path(__file__).parent / "stored"


@pytest.fixture
def stored(tmp_path):
    """Projects as older versions of the program wrote them."""
    return shutil.copytree(STORED, tmp_path / "stored")


def test_every_older_version_has_a_migration_and_a_stored_project():
    assert sorted(MIGRATIONS) == list(range(1, VERSION))
    versions = {json.loads(p.read_text())["version"] for p in STORED.glob("*/project.json")}
    assert versions >= set(MIGRATIONS)


def test_version_1_with_a_copied_image_opens(stored):
    with Project.open(stored / "v1-copied") as project:
        assert project.document.version == VERSION
        assert project.spacing == (40.0, 4.0, 4.0)
        assert project.held_out == (1,)
        assert project.classes.name(3) == "vesicle"
        assert project.annotations().counts() == {1: 32, 3: 16}
        np.testing.assert_array_equal(project.image().read()[0].ravel(), np.arange(128))
        assert project.image().name == "probe"
        assert [s["step"] for s in project.history()] == ["paint"]
        project.set_held_out([])
    assert read_document(stored / "v1-copied" / "project.json").version == VERSION
    assert json.loads((stored / "v1-copied" / "project.json").read_text())["version"] == VERSION


def test_version_1_with_an_image_that_was_moved_along_opens(stored):
    project = Project.open(stored / "v1-referenced", read_only=True)
    assert project.image().shape == (2, 8, 8)
    assert project.annotations().counts() == {2: 1}


def test_version_1_without_its_image_says_where_it_was(stored):
    (stored / "v1-image.tif").unlink()
    project = Project.open(stored / "v1-referenced", read_only=True)
    with pytest.raises(InputError, match=r"^/home/maria/Daten/v1-image\.tif: .*not there any more"):
        project.image()


def test_opening_read_only_changes_nothing_on_disk(stored):
    before = (stored / "v1-copied" / "project.json").read_bytes()
    Project.open(stored / "v1-copied", read_only=True)
    assert (stored / "v1-copied" / "project.json").read_bytes() == before


@pytest.mark.parametrize(
    ("address", "relative"),
    [
        ("C:\\Daten\\probe.h5::a/b", "../probe.h5::a/b"),
        ("/data/x.tif", "../x.tif"),
        ("s3://bucket/x.zarr", None),
        ("", None),
    ],
)
def test_migration_of_addresses(address, relative):
    content = migrate({"version": 1, "image": {"address": address}}, Path("project.json"))
    assert content["image"].get("relative") == relative
    assert content["image"]["address"] == address


def test_a_future_version_is_refused_in_one_line(stored):
    path = stored / "v1-copied" / "project.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": VERSION + 1}))
    with pytest.raises(InputError, match=rf"newer napari-densify \(format {VERSION + 1}") as error:
        Project.open(stored / "v1-copied")
    assert "\n" not in str(error.value)
    assert "update napari-densify" in str(error.value)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"version": "x"}', '{"version": 0}', '{"version": 2}', "\x00\xff",
     '{"version": 2, "shape": [1, 2]}', '{"version": 1, "image": 3}', '{"version": true}'],
)  # fmt: skip
def test_a_damaged_file_is_told_in_one_line(stored, content):
    path = stored / "v1-copied" / "project.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(InputError) as error:
        Project.open(stored / "v1-copied")
    assert "\n" not in str(error.value)
    assert "v1-copied" in str(error.value)
    assert not list((stored / "v1-copied").glob(".lock*"))
