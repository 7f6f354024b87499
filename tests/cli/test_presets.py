"""Presets, single parameters and exported packages by command line, from file to file."""

from __future__ import annotations

import pytest

from napari_densify.core.model_file import read_spec
from napari_densify.io import open_image, open_labels, write_volume
from tests.networks.test_foreign import SHAPES, Planar, package, trained


def train(densify, files, *words, output="model.safetensors"):
    target = files.folder / output
    outcome = densify(
        "train", files.image, "--annotations", files.paint, "-o", target,
        "--device", "cpu", *words,
    )  # fmt: skip
    return outcome, target


def test_a_preset_with_single_parameters_trains_predicts_and_is_exported(densify, files):
    outcome, model = train(
        densify, files, "--preset", "membrane", "--steps", "2",
        "--set", "base_channels=4", "--set", "patch=1,32,32",
        "--set", "loss.kind=tversky", "--set", "loss.tversky_alpha=0.4",
        "--set", "network.dropout=0.1", "--set", "augment.shear=0",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    spec = read_spec(model)
    plan = spec.training["plan"]
    assert spec.network.head == "sigmoid"
    assert spec.network.dropout == 0.1
    assert (plan["loss"]["kind"], plan["loss"]["tversky_alpha"]) == ("tversky", 0.4)
    assert plan["augment"]["shear"] == 0
    package = files.folder / "model.zip"
    assert densify("export", model, "-o", package).code == 0
    # Another volume: for its own the model also remembers the paint, the package doesn't.
    trained_on = open_image(files.image)
    other = write_volume(files.folder / "other.tif", trained_on.read()[0][::-1])
    found = {}
    for source in (model, package):
        target = files.folder / f"{source.suffix[1:]}.tif"
        outcome = densify("predict", other, "--model", source, "-o", target)
        assert outcome.code == 0, outcome.err
        found[source] = open_labels(target).read_labels()
    assert (found[model] == found[package]).all()
    outcome, _ = train(
        densify, files, "--init", package, "--steps", "1", output="tuned.safetensors"
    )
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "paper-4d"], "paper-3d"),
        (["--set", "loss.gamma=1"], "gamma"),
        (["--set", "wheel.size=1"], "network, loss, augment, schedule"),
        (["--set", "loss=mse"], "loss"),
        (["--preset", "paper-3d", "--set", "patch=64,64,64"], "next larger size that fits"),
        (["--steps", "2", "--resume"], "no unfinished training"),
    ],
)
def test_what_cannot_be_is_one_line_and_code_2(densify, files, words, said):
    outcome, model = train(densify, files, *words)
    assert outcome.code == 2
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert not model.exists()


def test_numbers_are_written_beside_the_model(densify, files):
    outcome, model = train(
        densify, files, "--steps", "3", "--held-out", "5",
        "--set", "base_channels=4", "depth=2", "patch=4,32,32", "log=csv",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    steps = (model.with_name("model.log") / "steps.csv").read_text().splitlines()
    scores = (model.with_name("model.log") / "held_out.csv").read_text().splitlines()
    assert len(steps) == 1 + 3
    assert {"dice_1", "iou_2", "precision_1", "recall_2"} <= set(scores[0].split(","))


def test_a_package_of_another_program_is_fine_tuned(densify, files):
    network = trained(Planar(), SHAPES[Planar])
    start = package(files.folder / "other.zip", network, SHAPES[Planar])
    words = ("--init", start, "--steps", "1", "--set", "learning_rate=1e-9", "--set", "ema=0")
    outcome, model = train(densify, files, *words)
    assert outcome.code == 0, outcome.err
    assert "afresh" not in outcome.out + outcome.err  # every weight was taken over
    spec = read_spec(model)
    assert spec.network.encoder == ((8, 8), (16, 16), (32, 32))
    assert spec.planar
    outcome = densify("predict", files.image, "--model", start, "-o", files.folder / "out.tif")
    assert outcome.code == 2
    assert "train --init" in outcome.err
