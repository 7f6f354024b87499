"""The benchmark's own arithmetic: paint, scores and tables must be right before figures are."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

methods = pytest.importorskip("benchmarks.methods")
from benchmarks import over_time, page  # noqa: E402
from benchmarks.processes import run  # noqa: E402
from benchmarks.rivals import Job  # noqa: E402
from benchmarks.scenarios import PAINT, Scene, crop, find_volume, volumes  # noqa: E402
from benchmarks.scores import score  # noqa: E402
from benchmarks.tables import all_tables, differences, quality  # noqa: E402
from benchmarks.tried import TRIED  # noqa: E402

from napari_densify.core.settings import (  # noqa: E402
    PredictSettings,
    TrainSettings,
    apply_overrides,
)


@pytest.fixture
def truth():
    labels = np.ones((20, 120, 120), np.uint8)
    labels[:, 30:90, 30:90] = 2
    labels[:, 5:14, 5:24] = 3
    return labels


@pytest.mark.parametrize("rule", PAINT)
def test_paint_is_true_and_sparse(rule, truth):
    paint = PAINT[rule](truth, 2, 0)
    rare = {3} if rule == "anywhere" else set()  # few strokes begin in it
    assert set(np.unique(paint)) | rare == {0, 1, 2, 3}
    assert (paint[paint > 0] == truth[paint > 0]).all()
    assert 0 < np.count_nonzero(paint) < 0.3 * truth.size


def test_strokes_cover_a_hundredth_of_the_slices_painted_in_full(truth):
    strokes, five = PAINT["strokes"](truth, 2, 0), PAINT["five"](truth, 2, 0)
    assert (strokes.any((1, 2)) == five.any((1, 2))).all()
    assert five.any((1, 2)).sum() == 5
    assert 0.005 < np.count_nonzero(strokes) / np.count_nonzero(five) < 0.02


def test_painted_voxels_never_count(truth):
    paint = PAINT["slices"](truth, 2, 0)
    only_paint = np.where(paint > 0, truth, 0)
    assert score(only_paint, truth, paint)["iou"] == 0
    assert score(truth, truth, paint)["iou"] == 1


def test_scores_tell_rare_classes_and_distances(truth):
    paint = np.zeros_like(truth)
    paint[0] = truth[0]
    labels = np.where(truth == 3, 1, truth)
    labels[16:] = 1
    got = score(labels, truth, paint)
    assert got["classes"]["3"] == [0.0, pytest.approx(171 / 14400, abs=1e-3)]
    assert list(got["distances"]) == ["1", "2", "4", "8", "16"]
    assert got["distances"]["16"] < got["distances"]["1"]


def _row(method, iou, volume="v", onto="", **more):
    row = {"volume": volume, "paint": "slices", "onto": onto, "seed": 0, "method": method,
           "iou": iou, "classes": {"1": [iou, 0.9], "2": [iou, 0.1]}, "distances": {"1": iou},
           "seconds": 1.0, "predict_seconds": 1.0, "steps": 0, "peak_gb": 1.0}  # fmt: skip
    return row | {"remark": ""} | more


def test_tables_mean_over_scenes_and_leave_gaps_open():
    rows = [_row("a", 0.5), _row("b", 0.7), _row("a", 0.7, "w"), _row("b", 0.8, "w"),
            _row("b", 0.6, onto="w")]  # fmt: skip
    text = quality(rows, ["a", "b"])
    assert "| **mean, within** |  | **0.600** | **0.750** |" in text
    assert "| v onto w | slices | - | 0.600 |" in text
    assert differences(rows, ["a", "b"]).endswith(
        "| +0.150 | +0.100 (w slices) | +0.200 (v slices) |"
    )


def test_few_steps_of_others_are_said():
    assert "under 100 steps" in all_tables([_row("nnunet", 0.5, steps=40)], ["nnunet"])
    assert "under 100 steps" not in all_tables([_row("nnunet", 0.5, steps=140)], ["nnunet"])


def test_volumes_are_found_by_name(tmp_path):
    names = [name for name, *_ in volumes(None)]
    assert names == ["fibsem", "nuclei"]
    _, image, labels = find_volume("fibsem@second", None)
    assert image.shape == labels.shape
    assert labels.shape[0] == find_volume("fibsem", None)[2].shape[0] // 2
    assert crop(("x", image, labels), 32)[2].shape[1:] == (32, 32)
    with pytest.raises(SystemExit, match="no volume"):
        find_volume("nowhere", tmp_path)


def test_a_job_survives_its_file(tmp_path, monkeypatch):
    job = Job(str(tmp_path), ("a",), "p", ("o",), (1.0, 1.0, 1.0), 5.0, 0, 1, 2.0)
    job.save()
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path)])
    assert Job.from_arguments() == job


def test_a_scene_becomes_files(truth):
    _, image, _ = find_volume("synthetic:nuclei:0", None)
    labels = np.ones(image.shape, np.uint8)
    with methods.prepare(Scene("s", image, labels, labels), 1.0, 0, 0) as job:
        assert Path(job.path("image0.tif")).exists()
        assert job.image(0).shape == image.shape
        assert abs(job.image(0).mean()) < 1e-3


def test_a_failing_command_says_why():
    with pytest.raises(RuntimeError, match="No module named"):
        run([sys.executable, "-c", "import nowhere_at_all"])


def test_what_is_not_installed_is_left_out_with_a_line(monkeypatch):
    monkeypatch.setenv("BENCH_MONAI_PYTHON", "/nowhere/python")
    methods.why_not.cache_clear()
    assert "pip install --group bench" in methods.why_not("monai")
    methods.why_not.cache_clear()
    assert methods.why_not("densify") is None
    with pytest.raises(SystemExit, match="unknown method"):
        methods.find_method("magic")


def test_every_choice_that_was_tried_is_a_setting_we_have():
    for name in TRIED:
        wishes = [w for w in name.partition(":")[2].split(";") if w]
        for wish in wishes:
            kind = PredictSettings if wish.startswith("predict.") else TrainSettings
            apply_overrides(kind(), [wish.removeprefix("predict.")])


def test_a_report_says_what_evaluate_says(tmp_path):
    from benchmarks import compare_all

    rows = tmp_path / "rows.json"
    words = ["--methods", "otsu,interpolation", "--voxels", "40000", "--tuning", "0"]
    words += ["--rows", str(rows), "--keep", str(tmp_path), "nuclei"]
    compare_all.main(words)
    (done,) = json.loads(rows.read_text())
    assert done["shape"] == "100 x 20 x 20"
    assert len(done["rows"]) == 2
    assert (done["wrong"], done["failed"]) == ([], [])
    # A number that doesn't add up is found.
    scores = tmp_path / "nuclei" / "report" / "scores.json"
    saved = json.loads(scores.read_text())
    saved["entries"][0]["scores"]["mean_dice"] = 0.123
    scores.write_text(json.dumps(saved))
    place = compare_all.cropped(next(p for p in compare_all.places(None) if p.name == "nuclei"),
                                40_000, tmp_path)  # fmt: skip
    wrong = compare_all.wrong_numbers(place, tmp_path / "nuclei" / "report")
    assert wrong == [saved["entries"][0]["name"]]


def test_a_short_training_is_held_against_the_longest():
    rows = [
        {"scene": "a:slices", "budget": b, "steps": n, "iou": iou}
        for b, n, iou in ((10, 5, 0.4), (600, 900, 0.8))
    ]
    line = over_time.table(rows, [10, 600]).splitlines()[-1]
    assert line == "| a | slices | 0.400 (5 steps, 50%) | 0.800 (900 steps, 100%) |"


def test_a_section_names_its_command_but_nothing_of_this_machine(monkeypatch):
    words = [
        "x",
        "--data",
        "/home/me",
        "--budget",
        "9",
        "--deadline",
        "5",
        "--rows",
        "/tmp/r",
        "--write",
    ]
    monkeypatch.setattr(sys, "argv", words)
    told = page.command("quality", without=("--deadline",))
    assert told == "python -m benchmarks.quality --data FOLDER --budget 9 --rows ROWS"
