"""Leave-one-volume-out scores are those of a model of the other volumes, trained by hand."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from napari_densify.core.errors import Interrupted
from napari_densify.engine.jobs import leave_one_out
from napari_densify.io import open_image, open_labels, write_volume

SMALL = ("--steps", 4, "--set", "base_channels=4", "depth=2", "patch=1,32,32", "features=false",
         "threads=1")  # fmt: skip


@pytest.fixture
def three(files):
    """Three different volumes with their paint: turned, noisy, as it was."""
    image, paint = open_image(files.image).read()[0], open_labels(files.paint).read_labels()
    noise = np.random.default_rng(0).normal(0, 0.3 * image.std(), image.shape)
    made = {
        "a": (image, paint),
        "b": (image[:, ::-1].copy(), paint[:, ::-1].copy()),
        "c": ((image + noise).astype(image.dtype), paint),
    }
    for name, (voxels, labels) in made.items():
        write_volume(files.folder / f"{name}.tif", voxels, spacing=(30, 10, 10), spacing_known=True)
        files.labels(f"{name}-paint.tif", labels)
    return {name: str(files.folder / name) for name in made}


def train(densify, names, target, *words):
    images = [f"{name}.tif" for name in names]
    paint = [f"{name}-paint.tif" for name in names]
    return densify("train", *images, "--annotations", *paint, "-o", target, *words)


def test_scores_are_those_of_a_model_trained_without_the_volume(densify, files, three):
    target = files.folder / "m.safetensors"
    outcome = train(densify, three.values(), target, "--leave-one-out", "--json", *SMALL)
    assert outcome.code == 0, outcome.err
    folds = outcome.result["leave_one_out"]
    assert [fold["volume"] for fold in folds] == [f"{name}.tif" for name in three.values()]
    assert target.exists()
    assert not list(files.folder.glob(".m.without*"))
    by_hand = files.folder / "ac.safetensors"
    assert train(densify, [three["a"], three["c"]], by_hand, *SMALL).code == 0
    out = files.folder / "b-out.tif"
    args = ("--model", by_hand, "-o", out)
    assert densify("predict", f"{three['b']}.tif", *args).code == 0
    labels, paint = (open_labels(p).read_labels() for p in (out, f"{three['b']}-paint.tif"))
    for value in (1, 2):
        guess, truth = (labels == value)[paint > 0], (paint == value)[paint > 0]
        dice = 2 * (guess & truth).sum() / (guess.sum() + truth.sum())
        assert folds[1]["dice"][str(value)] == pytest.approx(dice, abs=5e-3)
    with open(outcome.result["leave_one_out_table"], newline="") as stream:
        table = list(csv.DictReader(stream))
    assert float(table[1]["dice_2"]) == folds[1]["dice"]["2"]
    assert float(table[2]["bce_1"]) > 0


def test_early_stopping_is_no_interruption(densify, files, three):
    target = files.folder / "m.safetensors"
    still = [*SMALL, "learning_rate=1e-9", "early_stop=0.2"]
    still[1] = 20
    words = ("--leave-one-out", "--held-out", 2, "--json", *still)
    outcome = train(densify, three.values(), target, *words)
    assert outcome.code == 0, outcome.err
    assert not outcome.events[-1]["stopped"]
    assert outcome.result["steps"] < 20
    assert len(outcome.result["leave_one_out"]) == 3


def test_one_volume_cannot_be_left_out(densify, files, three):
    target = files.folder / "m.safetensors"
    outcome = train(densify, [three["a"]], target, "--leave-one-out", *SMALL)
    assert outcome.code == 2
    assert "at least two" in outcome.err
    assert not target.exists()


def test_a_stop_keeps_what_earlier_volumes_scored(densify, files, three, monkeypatch):
    train_to, begun = leave_one_out.train_to, []

    def stopped_in_the_third(*args, **more):
        begun.append(args)
        if len(begun) == 3:
            raise Interrupted("stopped before the first step")
        return train_to(*args, **more)

    monkeypatch.setattr(leave_one_out, "train_to", stopped_in_the_third)
    target = files.folder / "m.safetensors"
    outcome = train(densify, three.values(), target, "--leave-one-out", "--json", *SMALL)
    assert len(outcome.result["leave_one_out"]) == 1
    assert target.exists()
