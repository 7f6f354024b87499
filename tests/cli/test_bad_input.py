"""Bad input: exit code 2 and one line on stderr that says what, where and how to mend it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SHAPE = (8, 48, 48)


def check(outcome, *words):
    """Exit code 2, nothing but one line that holds these words."""
    assert outcome.code == 2, outcome.err
    assert outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word in outcome.err
    assert "Traceback" not in outcome.err


def train(densify, files, paint, *more, image=None, output="model.safetensors"):
    return densify(
        "train", image or files.image, "--annotations", paint,
        "-o", files.folder / output, "--steps", 1, *more,
    )  # fmt: skip


def test_annotations_of_another_shape(densify, files):
    other = files.labels("other.tif", np.ones((8, 48, 47), np.uint8))
    check(train(densify, files, other), "other.tif", "(8, 48, 47)", "(8, 48, 48)", "balls.tif")


def test_nothing_painted(densify, files):
    empty = files.labels("empty.tif", np.zeros(SHAPE, np.uint8))
    check(
        train(densify, files, empty),
        "empty.tif",
        "no voxel is annotated",
        "paint at least two classes",
    )


def test_only_one_class_painted(densify, files):
    single = np.zeros(SHAPE, np.uint8)
    single[3, 5:9, 5:9] = 2
    paint = files.labels("single.tif", single)
    check(train(densify, files, paint), "only one class is painted", "value 2", "background")


def test_all_paint_held_out(densify, files):
    check(train(densify, files, files.paint, "--held-out", "2,5"), "no voxel is annotated")


def test_unknown_device(densify, files):
    check(train(densify, files, files.paint, "--device", "cuda:42"), "cuda:42", "cpu")


def test_missing_file(densify, files):
    check(train(densify, files, files.paint, image="no/such.tif"), "no/such.tif", "no such file")


def test_unreadable_file(densify, files):
    broken = files.folder / "broken.tif"
    broken.write_bytes(b"II*\0 this is no tiff")
    check(train(densify, files, files.paint, image=broken), "broken.tif")


def test_file_cut_short(densify, files):
    whole = Path(files.image).read_bytes()
    short = files.folder / "short.tif"
    short.write_bytes(whole[: len(whole) // 2])
    check(train(densify, files, files.paint, image=short), "short.tif")


def test_image_given_as_annotations(densify, files):
    values = np.linspace(0.1, 0.9, 8 * 48 * 48, dtype=np.float32).reshape(SHAPE)
    import tifffile

    tifffile.imwrite(files.folder / "map.tif", values)
    check(train(densify, files, files.folder / "map.tif"), "map.tif", "label")


def test_wrong_number_of_annotations(densify, files):
    outcome = densify(
        "train", files.image, files.image, "--annotations", files.paint, "-o", "m.safetensors"
    )
    check(outcome, "2 image(s) but 1 annotation(s)")


def test_no_annotations(densify, files):
    check(densify("train", files.image, "-o", "m.safetensors"), "--annotations")


def test_budget_and_steps(densify, files):
    check(train(densify, files, files.paint, "--budget", "60s"), "not both")


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("--budget", "soon", "duration"),
        ("--held-out", "x", "slice"),
        ("--spacing", "1,2", "voxel size"),
        ("--channels", "red", "channels"),
        ("--set", "nonsense=1", "unknown setting"),
        ("--set", "patch", "name=value"),
        ("--set", "learning_rate=-1", "learning_rate"),
        ("--seed", "-1", "seed"),
        ("--preset", "no-such-preset", "no-such-preset"),
    ],
)
def test_bad_values(densify, files, option, value, word):
    outcome = densify(
        "train", files.image, "--annotations", files.paint,
        "-o", files.folder / "m.safetensors", option, value,
    )  # fmt: skip
    check(outcome, word)


def test_output_with_another_ending(densify, files):
    check(train(densify, files, files.paint, output="model.pt"), "model.pt", ".safetensors")


def test_output_that_is_a_folder(densify, files):
    (files.folder / "m.safetensors").mkdir()
    check(train(densify, files, files.paint, output="m.safetensors"), "folder")


def test_output_that_cannot_be_written_is_refused_before_the_work(densify, files):
    (files.folder / "file").write_text("in the way")
    outcome = train(densify, files, "no/such/paint.tif", output="file/model.safetensors")
    check(outcome, "cannot be written")
    assert "paint.tif" not in outcome.err  # so it was checked first


def test_mask_as_truth(densify, files):
    mask = files.labels("mask.tif", np.eye(48, dtype=np.uint8)[None].repeat(8, 0))
    outcome = densify("evaluate", files.truth, "--truth", mask)
    check(outcome, "mask.tif", "--zero background")


def test_unknown_meaning_of_zero(densify, files):
    check(densify("evaluate", files.truth, "--truth", files.truth, "--zero", "nothing"), "--zero")


def test_truth_of_another_shape(densify, files):
    other = files.labels("other.tif", np.ones((8, 48, 47), np.uint8))
    check(densify("evaluate", files.truth, "--truth", other), "other.tif", "(8, 48, 47)")


def test_unknown_command_and_option(densify):
    check(densify("frobnicate"), "frobnicate", "--help")
    check(densify("info"), "IMAGE", "densify info --help")
    check(densify("info", "a", "--nonsense"), "--nonsense")


def test_as_a_program(files):
    """The installed program does the same, and says nothing else."""
    program = Path(sys.executable).with_name("densify")
    done = subprocess.run(
        [program, "train", files.image, "--annotations", "größe.tif", "-o", "m.safetensors"],
        cwd=files.folder, capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "größe.tif" in done.stderr
    assert not (files.folder / "m.safetensors").exists()


def test_json_tells_it_too(densify, files):
    outcome = densify("info", "no/such.tif", "--json")
    assert outcome.code == 2
    failed = outcome.events[-1]
    assert (failed["kind"], failed["fault"]) == ("failed", False)
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.zip.npz", "a.h5", "a.nrrd", "a.json"])
def test_a_file_without_a_byte(densify, files, name):
    (files.folder / name).touch()
    check(densify("info", files.folder / name), name, "the file is empty")


def test_a_model_that_is_a_folder(densify, files):
    check(densify("export", files.folder, "-o", files.folder / "o.zip"), "is a folder")


def test_a_project_that_is_a_file(densify, files):
    check(densify("relocate", files.image, files.image), "not a project")


def test_a_slice_that_no_image_has_cannot_be_held_out(densify, files):
    check(train(densify, files, files.paint, "--held-out", "8"), "no slice 8", "0 to 7")


def test_two_results_in_one_file(densify, files):
    target = files.folder / "o.tif"
    outcome = densify(
        "predict", files.image, "--model", "m", "-o", target, "--probabilities", target
    )
    check(outcome, "two results", "o.tif")


def test_a_prediction_of_unknown_ending_is_no_folder(densify, files):
    outcome = densify("predict", files.image, "--model", "m", "-o", files.folder / "o.jpg")
    check(outcome, "o.jpg", ".tif")
    assert not (files.folder / "o.jpg").exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, 3.0])
def test_an_image_without_two_grey_values_is_said(densify, files, value):
    import tifffile

    image = files.folder / "flat.tif"
    tifffile.imwrite(image, np.full(SHAPE, value, np.float32), metadata={"axes": "ZYX"})
    small = ("--set", "base_channels=4", "depth=2", "patch=4,32,32", "--json")
    outcome = train(densify, files, files.paint, *small, image=image)
    assert outcome.code == 0, outcome.err
    said = [e["message"] for e in outcome.events if e["kind"] == "notice"]
    assert any("flat: one grey value only" in message for message in said)


@pytest.mark.filterwarnings("error")
def test_infinite_voxels_are_no_obstacle(densify, files):
    import tifffile

    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    image[2], image[4, :9] = np.inf, np.finfo(np.float32).max
    tifffile.imwrite(files.folder / "inf.tif", image, metadata={"axes": "ZYX"})
    outcome = densify("info", files.folder / "inf.tif")
    assert (outcome.code, outcome.err) == (0, "")
