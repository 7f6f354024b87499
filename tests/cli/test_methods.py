"""Classical methods, comparison, objects and packages from file to file."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from napari_densify.io import open_labels

from .conftest import stop_after

PAINTED = ("{image}", "--annotations", "{paint}")
TO_OUT = (*PAINTED, "-o", "{out}")


def test_list_names_methods_and_parameters(densify):
    said = densify("classical", "--list").out
    for word in ("threshold", "watershed", "algorithm"):
        assert word in said
    methods = densify("classical", "--list", "--json").result["methods"]
    threshold = next(m for m in methods if m["name"] == "threshold")
    assert threshold["parameters"]["sigma"]["title"] == "Smoothing"


def test_a_method_writes_labels(densify, files):
    target = files.folder / "otsu.zarr"
    outcome = densify("classical", "otsu", files.image, "-o", target, "--set", "sigma=2", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.result["parameters"] == {"sigma": 2}
    labels = open_labels(target)
    assert labels.spacing == (20, 10, 10)
    truth = open_labels(files.truth).read_labels()
    assert (labels.read_labels() == truth).mean() > 0.97


@pytest.mark.parametrize("ending", [".h5", ".mrc", ".nii", ".nrrd", ".npy"])
def test_labels_are_written_in_every_format_that_can_be(densify, files, ending):
    target = files.folder / f"labels{ending}"
    words = ("otsu", files.image, "-o", target, "--set", "sigma=2")
    outcome = densify("classical", *words)
    assert outcome.code == 0, outcome.err
    truth = open_labels(files.truth).read_labels()
    assert (open_labels(target).read_labels() == truth).mean() > 0.97


def test_regions_as_classes_and_as_objects(densify, files):
    labels, ids = files.folder / "ws.tif", files.folder / "ids.tif"
    words = ("classical", "watershed", files.image, "--annotations", files.paint, "-o", labels)
    outcome = densify(*words, "--objects", ids, "--set", "markers=distance", "--json")
    assert outcome.code == 0, outcome.err
    found = open_labels(ids).read_labels()
    assert outcome.result["objects"] == found.max() > 0
    codes = open_labels(labels).read_labels()
    assert len(np.unique(codes[found > 0])) == 1
    plain = files.folder / "plain.tif"
    densify(*words[:-1], plain, "--set", "markers=distance")
    np.testing.assert_array_equal(open_labels(plain).read_labels(), codes)


def test_tuning_keeps_what_the_user_set(densify, files):
    outcome = densify(
        "classical", "threshold", files.image, "--annotations", files.paint,
        "-o", files.folder / "t.tif", "--tune", "--set", "sigma=1.5", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.result["parameters"]["sigma"] == 1.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("classical", "nonsense", "{image}", "-o", "{out}"), "nonsense"),
        (("classical", "otsu", "{image}"), "-o OUT"),
        (("classical", "otsu", "{image}", "-o", "{out}", "--set", "nonsense=1"), "nonsense"),
        (("classical", "otsu", "{image}", "-o", "{out}", "--tune"), "--annotations"),
        (("classical", "interpolation", "{image}", "-o", "{out}"), "paint"),
        (("classical", "otsu", "{image}", "-o", "{image}"), "written over"),
        (
            ("classical", "watershed", *PAINTED, "-o", "{out}", "--objects", "{paint}"),
            "written over",
        ),
        (("classical", "watershed", *PAINTED, "-o", "{out}", "--objects", "{out}"), "written over"),
        (("import", "{paint}", "--image", "{image}", "-o", "{image}"), "written over"),
        (("augment", "{image}", "--annotations", "p.png", "-o", "p.png"), "written over"),
        (("compare", "{image}", "--annotations", "training.tif", "-o", "."), "written over"),
        (("classical", "random_forest", *TO_OUT, "--held-out", "9"), "slice 9"),
        (("compare", *PAINTED, "-o", "r", "--seed", "-1"), "--seed"),
        (("classical", "otsu", "{image}", "-o", "{out}", "--objects", "i.tif"), "instances"),
        (("instances", "{truth}", "-o", "{out}", "--set", "nonsense=1"), "nonsense"),
        (("export", "{image}", "-o", "m.zip"), "balls.tif"),
        (("export", "m.safetensors", "-o", "m.tar"), ".zip"),
        (("compare", "{image}", "-o", "report"), "--annotations"),
        (("compare", "{image}", "--annotations", "{paint}", "--methods", "x", "-o", "r"), "x"),
    ],
)
def test_refusals(densify, files, words, said, monkeypatch):
    monkeypatch.chdir(files.folder)
    names = {"image": files.image, "truth": files.truth, "paint": files.paint, "out": "out.tif"}
    for name in ("training.tif", "p.png"):
        Path(name).write_bytes(Path(files.paint).read_bytes())
    before = {p: p.read_bytes() for p in files.folder.iterdir() if p.is_file()}
    outcome = densify(*(word.format(**names) for word in words))
    assert outcome.code == 2, outcome.err
    assert outcome.err.count("\n") == 1
    assert said in outcome.err
    assert not Path("out.tif").exists()
    assert {p: p.read_bytes() for p in before} == before


def test_stopped_before_anything_was_written(densify, files, monkeypatch):
    stop_after(monkeypatch, 1)
    target = files.folder / "s.tif"
    outcome = densify(
        "classical", "snakes", files.image, "--annotations", files.paint, "-o", target
    )
    assert outcome.code == 130, outcome.err
    assert "nothing was written" in outcome.out
    assert not target.exists()


def test_compare_on_held_out_paint(densify, files):
    report = files.folder / "report"
    outcome = densify(
        "compare", files.image, "--annotations", files.paint, "--held-out", "5",
        "--methods", "threshold,interpolation", "-o", report, "--tuning", "0s", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    rows = {row["method"]: row["mean Dice"] for row in outcome.result["rows"]}
    assert rows["Threshold"] > rows["Interpolation"]
    for name in ("report.html", "table.csv", "scores.json", "comparison.png"):
        assert (report / name).stat().st_size > 0
    scores = json.loads((report / "scores.json").read_text())
    assert scores["held_out"] == [5]


def test_compare_trains_a_network_where_a_budget_is_given(densify, files):
    outcome = densify(
        "compare", files.image, "--annotations", files.paint, "--truth", files.truth,
        "--methods", "threshold", "--budget", "4s", "-o", files.folder / "report", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert {row["method"] for row in outcome.result["rows"]} == {"Threshold", "network"}
    assert (files.folder / "report" / "network.safetensors").is_file()
    kinds = [event["kind"] for event in outcome.events]
    assert kinds.count("done") == 1


@pytest.fixture
def trained(densify, files):
    """Trains a tiny network on some paint of the volume."""

    def train(name, *words, image=files.image, paint=files.paint):
        model = files.folder / f"{name}.safetensors"
        outcome = densify(
            "train", image, "--annotations", paint, "-o", model, "--steps", 1, *words,
            "--set", "base_channels=4", "depth=2", "patch=1,32,32", "features=false",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        return model

    return train


def compare(densify, files, model, *words, paint=None):
    outcome = densify(
        "compare", files.image, "--annotations", paint or files.paint, "--model", model,
        "--methods", "threshold", "--tuning", "1s", "-o", files.folder / "report", "--json", *words,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    scores = {row["method"]: row["mean Dice"] for row in outcome.result["rows"]}
    return outcome.result["held_out"], scores.pop("Threshold"), scores


def test_a_model_is_scored_on_the_slices_that_it_held_out(densify, files, trained):
    model = trained("held", "--held-out", "2")
    held_out, threshold, scores = compare(densify, files, model)
    assert held_out == [2]
    assert None not in (threshold, scores["held"])


def test_the_commands_in_a_report_make_it_again(densify, files, trained, monkeypatch):
    model = trained("held", "--held-out", "2")
    folder, report = files.folder, files.folder / "report"
    monkeypatch.chdir(folder)
    outcome = densify(
        "compare", "balls.tif", "--annotations", "paint.tif", "--model", model.name, "--methods",
        "threshold", "--tuning", "0s", "--spacing", "30,10,10", "-o", "report", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    html = (report / "report.html").read_text()
    found = [unescape(text) for text in re.findall("<pre>(.*?)</pre>", html, re.DOTALL)]
    whole, *parts = [line for text in found for line in text.splitlines()]
    kinds = [shlex.split(part)[1] for part in parts]
    assert sorted(kinds) == ["classical", "evaluate", "evaluate", "predict"]
    monkeypatch.chdir(report)
    for labels in (report / "labels").iterdir():
        labels.unlink()
    for command in parts:
        done = densify(*shlex.split(command)[1:])
        assert done.code == 0, (command, done.err)
    monkeypatch.chdir("/")
    again = densify(*shlex.split(whole)[1:], "--json")
    assert again.code == 0, (whole, again.err)
    assert _timeless(again) == _timeless(outcome)


def _timeless(outcome):
    return [
        {k: v for k, v in row.items() if not k.endswith("(s)") and "seconds" not in k}
        for row in outcome.result["rows"]
    ]


def test_a_model_is_never_scored_on_slices_that_it_saw(densify, files, trained):
    model = trained("all")
    _, threshold, scores = compare(densify, files, model)
    assert threshold is not None
    assert scores["all"] is None
    again = trained("again", "--init", model, "--held-out", "2")
    assert compare(densify, files, again, "--held-out", "2")[2]["again"] is None
    # A slice that is painted later is new to it.
    labels = open_labels(files.paint).read_labels().copy()
    labels[3] = open_labels(files.truth).read_labels()[3]
    held_out, _, scores = compare(densify, files, model, paint=files.labels("more.tif", labels))
    assert held_out == [3]
    assert scores["all"] is not None


def test_paint_that_a_model_saw_is_not_scored_beside_a_truth(densify, files, trained):
    model = trained("all")
    words = ("--truth", files.truth, "--held-out", "2")
    held_out, _, scores = compare(densify, files, model, *words)
    assert held_out == []
    assert scores["all"] is not None


def test_a_model_of_another_volume_is_scored_on_any_slice(densify, files, trained):
    from napari_densify.io import open_image, write_volume

    flipped = open_image(files.image).read()[0][:, ::-1].copy()
    other = write_volume(files.folder / "other.tif", flipped, spacing=(20, 10, 10))
    paint = files.labels("other-paint.tif", open_labels(files.paint).read_labels()[:, ::-1].copy())
    model = trained("other", image=other, paint=paint)
    assert compare(densify, files, model)[2]["other"] is not None


def test_compare_prints_a_table(densify, files):
    outcome = densify(
        "compare", files.image, "--annotations", files.paint, "--truth", files.truth,
        "--methods", "threshold", "-o", files.folder / "report",
    )  # fmt: skip
    assert "mean Dice" in outcome.out
    assert "report.html" in outcome.out


def test_instances(densify, files):
    target = files.folder / "ids.tif"
    outcome = densify("instances", files.truth, "-o", target, "--json")
    assert outcome.code == 0, outcome.err
    ids = open_labels(target).read_labels()
    truth = open_labels(files.truth).read_labels()
    assert outcome.result["objects"] == ids.max() == 4
    np.testing.assert_array_equal(ids > 0, truth == 2)
    scores = densify("evaluate", target, "--truth", target, "--instances", "--json").result
    assert scores["f1_50"] == 1


def test_export(densify, files):
    model, package = files.folder / "m.safetensors", files.folder / "m.zip"
    trained = densify(
        "train", files.image, "--annotations", files.paint, "-o", model,
        "--steps", 1, "--set", "base_channels=4", "depth=2", "patch=4,32,32",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    outcome = densify("export", model, "-o", package)
    assert outcome.code == 0, outcome.err
    names = zipfile.ZipFile(package).namelist()
    assert any(name.endswith("rdf.yaml") or name.endswith("bioimageio.yaml") for name in names)


def test_the_report_says_what_evaluate_says(densify, files):
    """On a bundled volume, through the command line alone."""
    import numpy as np

    from napari_densify.data import sample_files
    from napari_densify.io import write_labels

    sample = sample_files("fibsem")
    truth = open_labels(sample.truth).read_labels()
    paint = np.zeros_like(truth)
    paint[[12, 36]] = truth[[12, 36]]
    write_labels(files.folder / "few.tif", paint)
    report = files.folder / "report"
    outcome = densify(
        "compare", sample.image, "--annotations", files.folder / "few.tif",
        "--truth", sample.truth, "--methods", "threshold,interpolation", "-o", report, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    saved = json.loads((report / "scores.json").read_text())
    assert len(saved["entries"]) == 2
    for entry in saved["entries"]:
        again = densify(
            "evaluate", report / entry["labels"], "--truth", sample.truth,
            "--annotations", report / "training.tif", "--json",
        )  # fmt: skip
        assert again.code == 0, again.err
        for key, value in entry["scores"].items():
            assert again.result[key] == value, key
