from __future__ import annotations

import json
import os

import pytest

from napari_densify.core import files
from napari_densify.core.errors import InputError


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "projéct ü.json"
    files.atomic_write_json(path, {"name": "ü"})
    files.atomic_write_json(path, {"name": "µ"})
    assert json.loads(path.read_text("utf-8")) == {"name": "µ"}
    assert os.listdir(tmp_path) == [path.name]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    files.atomic_write_bytes(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_file_held_by_a_reader_is_tried_again(tmp_path, monkeypatch):
    really_replace, refusals = os.replace, iter([True, True, False])

    def held(source, target):
        if next(refusals):
            raise PermissionError(13, "in use")
        really_replace(source, target)

    monkeypatch.setattr(files, "_PAUSE_S", 0)
    monkeypatch.setattr(files.os, "replace", held)
    files.atomic_write_bytes(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_file_held_for_good_is_an_error(tmp_path, monkeypatch):
    def held(source, target):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(files, "_PAUSE_S", 0)
    monkeypatch.setattr(files.os, "replace", held)
    with pytest.raises(PermissionError):
        files.atomic_write_bytes(tmp_path / "a", b"x")
    assert os.listdir(tmp_path) == []


def test_remove_tree(tmp_path):
    folder = tmp_path / "a.zarr"
    (folder / "c").mkdir(parents=True)
    (folder / "c" / "0").write_bytes(b"x")
    files.remove_tree(folder)
    files.remove_tree(folder)
    assert os.listdir(tmp_path) == []


def test_what_the_disk_has_no_room_for_is_refused_before_it_begins(tmp_path):
    files.require_room(tmp_path, 1, what="out.tif")
    with pytest.raises(InputError, match=r"out\.tif: needs 1 PB, .* free"):
        files.require_room(tmp_path, 2**50, what="out.tif")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_written_files_are_readable_by_those_who_may_read_others(tmp_path):
    (tmp_path / "other").write_bytes(b"")
    files.atomic_write_json(tmp_path / "a.json", {})
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "other").stat().st_mode
