"""The commands from file to file, on a volume small enough for every test run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import napari_densify
from napari_densify.core.model_file import read_spec

from .conftest import stop_after


def test_version_and_help(densify):
    assert densify("--version").out.strip() == napari_densify.__version__
    everything = densify("--help").out
    for command in (
        "info", "train", "predict", "classical", "evaluate", "compare", "suggest",
        "instances", "export", "replay", "demo", "doctor", "engine",
    ):  # fmt: skip
        assert command in everything
        assert densify(command, "--help").code == 0
    assert densify().out == everything


def test_info(densify, files):
    result = densify("info", files.image, "--json").result
    assert result["shape"] == [8, 48, 48]
    assert result["spacing_nm"] == [20, 10, 10]
    assert result["dtype"] == "uint8"
    assert result["memory"]["image_bytes"] == 8 * 48 * 48
    assert result["memory"]["predict_bytes"] > 8 * 48 * 48
    assert result["estimate"]["predict_s"] > 0
    said = densify("info", files.image).out
    assert "8 x 48 x 48" in said
    assert "20 x 10 x 10 nm" in said
    assert "time to predict" in said


def test_info_says_where_no_voxel_size_is_stated(densify, files):
    np.save(files.folder / "plain.npy", np.zeros((4, 8, 8), np.float32))
    assert "not stated" in densify("info", files.folder / "plain.npy").out
    result = densify("info", files.folder / "plain.npy", "--spacing", "3,2,1", "--json").result
    assert result["spacing_nm"] == [3, 2, 1]
    assert result["spacing_known"]


def test_evaluate_prints_a_table_and_json(densify, files):
    said = densify("evaluate", files.truth, "--truth", files.truth)
    assert said.code == 0
    assert "foreground" in said.out
    result = densify("evaluate", files.truth, "--truth", files.truth, "--json").result
    assert result["mean_dice"] == 1.0
    assert result["voxels"] == 8 * 48 * 48


def test_evaluate_leaves_out_what_was_trained_on(densify, files):
    result = densify(
        "evaluate", files.truth, "--truth", files.truth, "--annotations", files.paint, "--json"
    ).result
    assert result["voxels"] == 6 * 48 * 48
    assert 2 not in [s["z"] for s in result["slices"]]


@pytest.fixture
def model(densify, files):
    path = files.folder / "models of ä" / "model.safetensors"
    outcome = densify(
        "train", files.image, "--annotations", files.paint, "-o", path,
        "--steps", 3, "--set", "base_channels=4", "depth=2", "patch=4,32,32", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    return path, outcome


def test_train_writes_a_model_and_tells_its_steps(model, files):
    path, outcome = model
    kinds = [event["kind"] for event in outcome.events]
    assert kinds[0] == "started"
    assert kinds[-2:] == ["model", "done"]
    assert kinds.count("step") == 3
    assert outcome.result["steps"] == 3
    spec = read_spec(path)
    assert [c.name for c in spec.classes.classes] == ["background", "foreground"]
    assert spec.spacing == (20, 10, 10)


def test_train_keeps_to_its_budget(densify, files, monkeypatch):
    import time

    from napari_densify.cli import run as cli

    now = time.monotonic()
    monkeypatch.setattr(cli, "process_started", lambda: now - 50)
    outcome = densify(
        "train", files.image, "--annotations", files.paint, "-o", files.folder / "m.safetensors",
        "--budget", "55s", "--set", "base_channels=4", "depth=2", "patch=4,32,32", "--json",
    )  # fmt: skip
    assert outcome.code == 0
    assert time.monotonic() - now < 6.5
    assert 50 < outcome.result["seconds"] < 56


def test_suggest_names_slices_and_the_reason(densify, files, model):
    path, _ = model
    outcome = densify(
        "suggest", files.image, "--model", path, "--annotations", files.paint, "--json"
    )
    assert outcome.code == 0, outcome.err
    found = outcome.result["suggestions"]
    assert len(found) == 5
    assert not {s["index"] for s in found if s["axis"] == "XY"} & {2, 5}
    assert "most unsure about" in found[0]["why"]


def test_events_are_one_json_object_a_line(model):
    _, outcome = model
    for line in outcome.out.splitlines():
        assert isinstance(json.loads(line), dict)
    assert Path(outcome.result["model"]).is_file()


def test_labels_beside_an_image_are_offered(densify, files):
    beside = files.labels("balls_labels.tif", np.ones((8, 48, 48), np.uint8))
    assert densify("info", files.image, "--json").result["labels"] == beside
    assert "labels beside it" in densify("info", files.image).out
    outcome = densify("train", files.image, "-o", files.folder / "m.safetensors", "--steps", 1)
    assert outcome.code == 2
    assert f"--annotations {beside}" in outcome.err


def test_stopped_before_the_first_step_an_earlier_model_stays(densify, files, monkeypatch):
    model = files.folder / "m.safetensors"
    model.write_bytes(b"earlier")
    stop_after(monkeypatch, 1)  # the first paint is read
    outcome = densify("train", files.image, "--annotations", files.paint, "-o", model)
    assert outcome.code == 130, outcome.err
    assert "before there was anything to write" in outcome.out
    assert model.read_bytes() == b"earlier"
