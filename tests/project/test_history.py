from __future__ import annotations

import pytest

from napari_densify.core.errors import InputError
from napari_densify.project.history import append_step, read_steps


def test_steps_are_read_in_order(tmp_path):
    path = tmp_path / "history.jsonl"
    assert read_steps(path) == []
    append_step(path, "train", {"budget_s": 3, "name": "Größe\nzwei"})
    append_step(path, "predict", {"path": tmp_path})
    steps = read_steps(path)
    assert [s["step"] for s in steps] == ["train", "predict"]
    assert steps[0]["settings"] == {"budget_s": 3, "name": "Größe\nzwei"}
    assert all(s["time"] and s["version"] for s in steps)


def test_a_torn_last_line_is_ignored_and_harms_no_later_one(tmp_path):
    path = tmp_path / "history.jsonl"
    append_step(path, "train", {"a": "ä"})
    append_step(path, "predict", {})
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert [s["step"] for s in read_steps(path)] == ["train"]
    append_step(path, "compare", {})
    assert [s["step"] for s in read_steps(path)] == ["train", "compare"]


def test_no_room_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        append_step(tmp_path, "train", {})
