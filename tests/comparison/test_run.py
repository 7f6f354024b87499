"""The comparison: same voxels for all, numbers that can be checked, nothing learned from truth."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from napari_densify.comparison import CompareOptions, ModelPrediction, compare
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, LayerUpdated, Notice, Progress
from napari_densify.evaluation import score_labels
from napari_densify.io import open_labels

QUICK = ("threshold", "watershed", "interpolation")


@pytest.fixture
def painted(balls):
    volume, truth = balls
    paint = np.zeros_like(truth)
    paint[[1, 4, 6]] = truth[[1, 4, 6]]
    return volume, truth, paint


def run(*args, options=None, **kwargs):
    events = list(compare(*args, options=options or CompareOptions(tune_s=0), **kwargs))
    assert isinstance(events[-1], Done)
    return events, events[-1].result


def test_numbers_equal_scoring_the_written_files(painted, tmp_path):
    volume, truth, paint = painted
    _, result = run(volume, paint, truth=truth, methods=QUICK, out_dir=tmp_path)
    saved = json.loads((tmp_path / "scores.json").read_text())
    assert {e["name"] for e in saved["entries"]} == set(QUICK)
    for entry in saved["entries"]:
        again = score_labels(
            open_labels(tmp_path / entry["labels"]),
            open_labels(tmp_path / "truth.tif"),
            exclude=open_labels(tmp_path / "training.tif"),
            spacing=volume.spacing,
        )
        assert entry["scores"]["mean_dice"] == again.mean_dice
        assert entry["scores"]["boundary_f1"] == again.boundary_f1
        assert entry["scores"]["rand_error"] == again.rand_error
    shown = [row["mean Dice"] for row in result["rows"]]
    assert shown == sorted(shown, reverse=True)
    with (tmp_path / "table.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(r["mean Dice"]) for r in rows] == shown


def test_held_out_paint_is_scored_and_never_learned_from(painted, tmp_path):
    volume, _, paint = painted
    options = CompareOptions(tune_s=0, held_out=(4,))
    _, result = run(volume, paint, methods=QUICK, out_dir=tmp_path, options=options)
    saved = json.loads((tmp_path / "scores.json").read_text())
    for entry in saved["entries"]:
        assert [s["z"] for s in entry["scores"]["slices"]] == [4]
    assert not open_labels(tmp_path / "training.tif").read_labels()[4].any()
    # What is painted on the held-out slice changes no method's labels.
    other = paint.copy()
    other[4] = np.where(other[4] == 1, 2, 1)
    run(volume, other, methods=QUICK, out_dir=tmp_path / "other", options=options)
    for name in QUICK:
        first, second = (
            open_labels(folder / "labels" / f"{name}.tif").read_labels()
            for folder in (tmp_path, tmp_path / "other")
        )
        np.testing.assert_array_equal(first, second)
    assert result["held_out"] == [4]


def test_tuning_never_sees_the_held_out_slice(painted, tmp_path):
    volume, _, paint = painted
    options = CompareOptions(tune_s=1, held_out=(4,))
    spoiled = paint.copy()
    spoiled[4] = np.where(spoiled[4] == 1, 2, 1)
    for name, labels in (("a", paint), ("b", spoiled)):
        run(volume, labels, methods=("threshold",), out_dir=tmp_path / name, options=options)
    a, b = (
        json.loads((tmp_path / n / "scores.json").read_text())["entries"][0] for n in ("a", "b")
    )
    assert a["parameters"] == b["parameters"]
    assert a["scores"]["mean_dice"] > b["scores"]["mean_dice"]


def test_without_truth_or_wish_slices_are_held_out_and_it_is_said(painted, tmp_path):
    volume, _, paint = painted
    events, result = run(volume, paint, methods=("threshold",), out_dir=tmp_path)
    assert result["held_out"] == [4]
    assert any(isinstance(e, Notice) and "[4]" in e.message for e in events)


def test_networks_stand_beside_methods(painted, tmp_path):
    volume, truth, paint = painted
    events, result = run(
        volume,
        paint,
        truth=truth,
        methods=("threshold",),
        model_predictions={
            "round 1": ModelPrediction(truth, seconds=3.0, parameters={"steps": 9}),
            "a/b": np.ones_like(truth),
        },
        out_dir=tmp_path,
    )
    assert result["rows"][0]["method"] == "round 1"
    assert result["rows"][0]["mean Dice"] == 1.0
    assert result["rows"][-1]["method"] == "a/b"
    assert (tmp_path / "labels" / "a_b.tif").exists()
    layers = [e.name for e in events if isinstance(e, LayerUpdated)]
    assert layers == ["round 1", "a/b", "Threshold"]


@pytest.mark.parametrize("methods", [(), ("threshold",)])
def test_a_network_that_saw_a_scored_slice_gets_no_score(painted, tmp_path, methods):
    volume, truth, paint = painted
    seen, fair = (ModelPrediction(truth, trained_slices=slices) for slices in ((1, 4), (1, 6)))
    models = {"seen": seen} | ({"fair": fair} if methods else {})
    events, result = run(
        volume, paint, methods=methods, model_predictions=models, out_dir=tmp_path,
        options=CompareOptions(held_out=(4,), tune_s=0),
    )  # fmt: skip
    warnings = [e.message for e in events if isinstance(e, Notice) and e.level == "warning"]
    assert len(warnings) == 1
    assert "seen was trained on slices [4]" in warnings[0]
    scores = {row["method"]: row["mean Dice"] for row in result["rows"]}
    assert scores.pop("seen") is None
    assert result["rows"][-1]["note"] == "was trained on slices [4], which are scored here"
    assert None not in scores.values()
    page = (tmp_path / "report.html").read_text()
    assert "Not scored: seen (was trained on slices [4]" in page
    assert "seen beats" not in page
    assert (tmp_path / "labels" / "seen.tif").exists()


def test_a_method_that_cannot_run_is_reported_not_fatal(painted, tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1))
    volume, truth, paint = painted
    events, result = run(volume, paint, truth=truth, methods=QUICK, out_dir=tmp_path)
    assert any(isinstance(e, Notice) and "memory" in e.message for e in events)
    assert "memory" in result["rows"][-1]["note"]
    assert "memory" in (tmp_path / "report.html").read_text()


def test_stop_reports_on_what_is_done(painted, tmp_path):
    volume, truth, paint = painted
    control = JobControl()
    done = []
    for event in compare(
        volume, paint, truth=truth, methods=QUICK, out_dir=tmp_path, control=control,
        options=CompareOptions(tune_s=0),
    ):  # fmt: skip
        done.append(event)
        if isinstance(event, LayerUpdated):
            control.stop = True
    assert done[-1].stopped
    assert [row["method"] for row in done[-1].result["rows"]] == ["Threshold"]
    assert (tmp_path / "report.html").exists()
    assert not list((tmp_path / "labels").glob("watershed*"))


def test_stop_before_anything_is_done_writes_no_report(painted, tmp_path):
    volume, truth, paint = painted
    control = JobControl()
    control.stop = True
    events = list(
        compare(volume, paint, truth=truth, methods=QUICK, out_dir=tmp_path, control=control)
    )
    assert events[-1].stopped
    assert events[-1].result == {}
    assert not (tmp_path / "report.html").exists()


def test_algorithms_asked_for_by_name_are_told_apart(painted, tmp_path):
    volume, truth, paint = painted
    _, result = run(volume, paint, truth=truth, methods=("otsu", "li"), out_dir=tmp_path)
    assert {row["method"] for row in result["rows"]} == {"Threshold: otsu", "Threshold: li"}
    assert len(list((tmp_path / "labels").iterdir())) == 2


def test_progress_goes_up(painted, tmp_path):
    volume, truth, paint = painted
    events, _ = run(volume, paint, truth=truth, methods=QUICK, out_dir=tmp_path)
    steps = [e.done for e in events if isinstance(e, Progress) and e.unit == "methods"]
    assert steps == sorted(steps)
    assert len(steps) == len(QUICK) + 1


def test_nothing_that_was_given_is_changed(painted, tmp_path):
    volume, truth, paint = painted
    before = [a.copy() for a in (volume.data, truth, paint)]
    run(volume, paint, truth=truth, methods=QUICK, out_dir=tmp_path)
    for now, then in zip((volume.data, truth, paint), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paint": lambda p: p[:, 1:]}, "annotations"),
        ({"paint": lambda p: p * 0}, "no voxel is annotated|painted"),
        ({"paint": lambda p: (p == 1).astype(np.uint8)}, "only one class"),
        ({"truth": lambda t: t[1:]}, "truth"),
        ({"held_out": (3,)}, "hold no paint"),
        ({"methods": ("magic",)}, "no classical method"),
    ],
)
def test_what_cannot_be_compared_is_said(painted, tmp_path, change, message):
    volume, truth, paint = painted
    paint = change.get("paint", lambda p: p)(paint)
    truth = change.get("truth", lambda t: t)(truth)
    options = CompareOptions(tune_s=0, held_out=change.get("held_out", ()))
    with pytest.raises(InputError, match=message):
        run(
            volume, paint, truth=truth, methods=change.get("methods", QUICK), out_dir=tmp_path,
            options=options,
        )  # fmt: skip


def test_ordinary_masks_as_truth(painted, tmp_path):
    volume, truth, paint = painted
    mask = (truth == 2).astype(np.uint8)
    options = CompareOptions(tune_s=0, zero="background")
    _, result = run(
        volume, paint, truth=mask, methods=("threshold",), out_dir=tmp_path, options=options
    )
    _, same = run(volume, paint, truth=truth, methods=("threshold",), out_dir=tmp_path)
    assert result["rows"][0]["mean Dice"] == same["rows"][0]["mean Dice"]


@pytest.mark.slow
def test_all_methods_on_the_bundled_volume(tmp_path):
    from napari_densify.classical import METHODS
    from napari_densify.data import sample_files
    from napari_densify.io import open_image

    sample = sample_files("nuclei")
    volume = open_image(sample.image)
    paint, truth = (open_labels(p).read_labels() for p in (sample.annotations, sample.truth))
    _, result = run(
        volume, paint, truth=truth, methods=("all",), out_dir=tmp_path,
        options=CompareOptions(tune_s=2),
    )  # fmt: skip
    assert len(result["rows"]) == len(METHODS)
    assert all(row["mean Dice"] is not None for row in result["rows"])
