"""Prediction from file to files: one volume, many, parts of one, interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_densify.cli.main import run_program
from napari_densify.engine.jobs import predict as jobs
from napari_densify.io import open_image, open_labels

from .conftest import stop_after

_trained: dict[str, bytes] = {}


@pytest.fixture
def model(files):
    """A small model, trained once; good enough to tell balls from background."""
    path = files.folder / "model.safetensors"
    if not _trained:
        words = ["train", files.image, "--annotations", files.paint, "-o", str(path)]
        more = "--steps 60 --set base_channels=4 depth=2 patch=4,32,32"
        code = run_program(words + more.split())
        assert code == 0
        _trained["model"] = path.read_bytes()
    path.write_bytes(_trained["model"])
    return path


def predict(densify, image, model, output, *more):
    return densify("predict", image, "--model", model, "-o", output, "--set", "mirrors=1", *more)


@pytest.mark.parametrize("name", ["labels.tif", "labels.zarr"])
def test_labels_are_good_and_know_size_and_classes(densify, files, model, name):
    target = files.folder / "out ö" / name
    assert predict(densify, files.image, model, target).code == 0
    labels = open_labels(target)
    assert labels.spacing == (20, 10, 10)
    assert [c.name for c in labels.metadata["classes"].classes] == ["background", "foreground"]
    scores = densify(
        "evaluate", target, "--truth", files.truth, "--annotations", files.paint, "--json"
    ).result
    assert scores["mean_dice"] > 0.85


def test_probabilities_and_uncertainty(densify, files, model):
    folder = files.folder
    outcome = predict(
        densify, files.image, model, folder / "l.tif",
        "--probabilities", folder / "p.zarr", "--uncertainty", folder / "u.tif",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    labels = open_labels(folder / "l.tif").read_labels()
    p = open_image(folder / "p.zarr").read().astype(int)
    assert p.shape == (2, 8, 48, 48)
    np.testing.assert_allclose(p.sum(0), 255, atol=1)
    np.testing.assert_array_equal(labels[p[1] > 130], 2)
    u = open_image(folder / "u.tif").read()[0]
    assert u[abs(p[0] - 128) < 8].min(initial=255) > u[p.max(0) > 250].max(initial=0)


def test_region_is_predicted_in_place(densify, files, model):
    whole, part = files.folder / "whole.tif", files.folder / "part.tif"
    predict(densify, files.image, model, whole)
    assert predict(densify, files.image, model, part, "--region", "2:4,:,8:40").code == 0
    box = (slice(2, 4), slice(None), slice(8, 40))
    got = open_labels(part).read_labels()
    # Context ends at other places, so voxels on the verge may fall to the other side.
    assert (got[box] == open_labels(whole).read_labels()[box]).mean() > 0.97
    got[box] = 0
    assert not got.any()


def test_region_outside_the_volume(densify, files, model):
    outcome = predict(densify, files.image, model, files.folder / "a.tif", "--region", "0:99,:,:")
    assert outcome.code == 2
    assert "leaves the volume" in outcome.err
    assert not (files.folder / "a.tif").exists()


def test_folder_with_a_broken_file(densify, files, model):
    volumes = files.folder / "volumes"
    volumes.mkdir()
    for name in ("a.tif", "c.tif"):
        (volumes / name).write_bytes(Path(files.image).read_bytes())
    (volumes / "b.tif").write_bytes(b"II*\0broken")
    outcome = predict(densify, volumes, model, files.folder / "out")
    assert outcome.code == 2
    assert "b.tif" in outcome.err
    assert outcome.err.count("\n") == 1
    assert (files.folder / "out" / "a.tif").exists()
    assert (files.folder / "out" / "c.tif").exists()
    report = json.loads((files.folder / "out" / "report.json").read_text())
    assert ["error" in row for row in report["volumes"]] == [False, True, False]


def test_too_little_memory_for_one_of_many_is_said_in_a_line(densify, files, model, monkeypatch):
    volumes = files.folder / "volumes"
    volumes.mkdir()
    for name in ("a.tif", "b.tif"):
        (volumes / name).write_bytes(Path(files.image).read_bytes())
    whole = jobs._predict_one

    def scarce(request, model, target, control):
        if target.image.endswith("a.tif"):
            raise MemoryError("want 3 GiB")
        return whole(request, model, target, control)

    monkeypatch.setattr(jobs, "_predict_one", scarce)
    outcome = predict(densify, volumes, model, files.folder / "out")
    assert outcome.code == 2
    assert "Traceback" not in outcome.out + outcome.err
    assert "not enough memory" in outcome.out
    assert (files.folder / "out" / "b.tif").exists()


def test_input_is_never_written_over(densify, files, model):
    before = Path(files.image).read_bytes()
    outcome = predict(densify, files.image, model, files.image)
    assert outcome.code == 2
    assert "written over" in outcome.err
    assert Path(files.image).read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"), [(b"no model", "model"), (None, "no such model file")]
)
def test_broken_and_missing_model(densify, files, content, words):
    model = files.folder / "broken.safetensors"
    if content is not None:
        model.write_bytes(content)
    outcome = predict(densify, files.image, model, files.folder / "l.tif")
    assert outcome.code == 2
    assert words in outcome.err


def test_interrupted_and_resumed_is_as_if_uninterrupted(densify, files, model, monkeypatch):
    small = ("--set", "block=4,16,24")
    whole, broken = files.folder / "whole.zarr", files.folder / "broken.zarr"
    assert predict(densify, files.image, model, whole, *small).code == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        outcome = predict(densify, files.image, model, broken, *small)
    assert outcome.code == 130
    assert "--resume" in outcome.out
    partial = open_labels(broken).read_labels()
    assert 0 < (partial > 0).mean() < 1
    events = predict(densify, files.image, model, broken, *small, "--resume", "--json").events
    first = next(e for e in events if e["kind"] == "progress")
    assert 4 <= first["done"] <= 5  # one that was computed already is written too
    a, b = (open_labels(p).read_labels() for p in (whole, broken))
    np.testing.assert_array_equal(a, b)
    # Once more: all is there, so nothing is computed.
    written = {p: p.stat().st_mtime_ns for p in broken.rglob("*")}
    assert predict(densify, files.image, model, broken, *small, "--resume").code == 0
    assert {p: p.stat().st_mtime_ns for p in broken.rglob("*")} == written


def test_interrupted_tiff_keeps_what_is_done(densify, files, model, monkeypatch):
    stop_after(monkeypatch, 3)
    target = files.folder / "part.tif"
    outcome = predict(densify, files.image, model, target, "--set", "block=4,16,24")
    assert outcome.code == 130
    assert "unfinished" in outcome.out
    assert 0 < (open_labels(target).read_labels() > 0).mean() < 1


def test_growing_zarr_is_announced(densify, files, model, monkeypatch):
    from napari_densify.engine.jobs import predict as job

    monkeypatch.setattr(job, "_SHOW_EVERY_S", 0)
    target = files.folder / "l.zarr"
    events = predict(densify, files.image, model, target, "--set", "block=4,16,24", "--json").events
    layers = [e for e in events if e["kind"] == "layer"]
    assert len(layers) > 5
    assert [e["final"] for e in layers] == [False] * (len(layers) - 1) + [True]
    assert {e["path"] for e in layers} == {str(target)}
