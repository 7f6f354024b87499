"""A project in place of an image: its voxel size, strokes and classes; done again headless."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_densify.core.model_file import read_spec
from napari_densify.core.requests import TrainRequest
from napari_densify.core.settings import TrainSettings
from napari_densify.engine.record import recorded_requests
from napari_densify.io import open_labels
from napari_densify.project import Project

SMALL = ("--set", "base_channels=4", "depth=2", "patch=4,32,32")


@pytest.fixture
def project(files):
    """A project of the balls with two painted slices, one of them held out."""
    made = Project.create(
        files.folder / "bälle 1.densify",
        shape=(8, 48, 48),
        image=files.image,
        spacing=(30, 10, 10),
        spacing_known=True,
    )
    painted, labels = made.painted(), open_labels(files.paint).read_labels()
    for z in (2, 5):
        painted[z] = labels[z]
    painted.close()
    made.set_held_out([5])
    made.close()
    return made


def test_info(densify, project):
    assert densify("info", project.path, "--json").result["spacing_nm"] == [30, 10, 10]


def test_train_on_the_strokes_of_a_project(densify, files, project):
    model = files.folder / "model.safetensors"
    outcome = densify("train", project.path, "-o", model, "--steps", 1, *SMALL)
    assert outcome.code == 0, outcome.err
    spec = read_spec(model)
    assert spec.spacing == (30, 10, 10)
    assert [c.name for c in spec.classes.classes] == ["background", "foreground"]


def test_what_a_project_holds_out_is_not_trained_on(densify, files, project):
    model = files.folder / "model.safetensors"
    train = "train", project.path, "-o", model, "--steps", 1, *SMALL
    outcome = densify(*train)
    assert outcome.code == 0, outcome.err
    assert "slices 5 are held out, as in the project" in outcome.out
    assert read_spec(model).training["settings"]["held_out"] == [5]
    for words, kept in ((("--held-out", "none"), []), (("--held-out", "2"), [2])):
        outcome = densify(*train, *words)
        assert outcome.code == 0, outcome.err
        assert "as in the project" not in outcome.out
        assert read_spec(model).training["settings"]["held_out"] == kept


def test_classical_methods_see_nothing_of_what_a_project_holds_out(densify, files, project):
    labels = []
    said = []
    for held_out in ((), ("--held-out", "5"), ("--held-out", "2"), ("--held-out", "none")):
        target = files.folder / f"{len(labels)}.tif"
        done = densify("classical", "random_forest", project.path, "-o", target, *held_out)
        assert done.code == 0, done.err
        said.append("as in the project" in done.out)
        labels.append(open_labels(target).read_labels())
    assert said == [True, False, False, False]
    np.testing.assert_array_equal(labels[0], labels[1])
    assert (labels[0] != labels[2]).any()
    assert (labels[0] != labels[3]).any()


@pytest.mark.parametrize(("option", "value"), [("--channels", "0"), ("--level", 1)])
def test_what_a_project_was_made_with_is_not_chosen_again(densify, files, project, option, value):
    model = files.folder / "model.safetensors"
    outcome = densify("train", project.path, "-o", model, "--steps", 1, *SMALL, option, value)
    assert outcome.code == 2
    assert "chosen when it was made" in outcome.err
    assert not model.exists()


def test_empty_project(densify, files):
    Project.create(files.folder / "e.densify", shape=(8, 48, 48), image=files.image).close()
    outcome = densify("train", files.folder / "e.densify", "-o", files.folder / "m.safetensors")
    assert outcome.code == 2
    assert "no voxel is annotated" in outcome.err


def test_project_whose_image_has_gone(densify, files, project):
    Path(files.image).unlink()
    outcome = densify("info", project.path)
    assert outcome.code == 2
    assert "balls.tif" in outcome.err


def test_an_image_that_was_moved_is_asked_for_and_found_again(densify, files, project):
    away = files.folder / "elsewhere" / "moved.tif"
    away.parent.mkdir()
    Path(files.image).rename(away)
    outcome = densify("info", project.path)
    assert outcome.code == 2
    assert "densify relocate PROJECT IMAGE" in outcome.err
    wrong = densify("relocate", project.path, files.truth)
    assert wrong.code == 2
    assert "another image" in wrong.err
    outcome = densify("relocate", project.path, away)
    assert outcome.code == 0, outcome.err
    assert densify("info", project.path).code == 0
    assert densify("relocate", project.path, files.truth, "--anyway").code == 0


def test_what_a_methods_section_needs(densify, files, project):
    outcome = densify("info", project.path, "--methods")
    assert outcome.code == 0, outcome.err
    assert "voxel size 30 x 10 x 10 nm" in outcome.out
    assert "Held out (scored, never trained on): slices 5." in outcome.out
    refused = densify("info", files.image, "--methods")
    assert refused.code == 2
    assert "not a project" in refused.err


def test_classical_learns_from_a_project(densify, files, project):
    target = files.folder / "w.tif"
    assert densify("classical", "watershed", project.path, "-o", target).code == 0
    scores = densify("evaluate", target, "--truth", files.truth, "--annotations", project.path)
    assert scores.code == 0, scores.err
    assert f"{6 * 48 * 48}" in scores.out


def train_a_round(densify, project):
    """What the viewer asks for when Train is clicked."""
    made = project.new_round()
    outcome = densify(
        "train", project.path, "--annotations", project.path, "-o", made.model,
        "--steps", 2, "--held-out", "5", *SMALL,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    return made


def test_what_is_done_is_recorded(densify, files, project):
    train_a_round(densify, project)
    densify("info", project.path)
    (step,) = project.history()
    assert step["step"] == "train"
    assert step["settings"]["request"]["settings"]["held_out"] == [5]
    result = step["settings"]["result"]
    assert result["steps"] == 2
    for rate in ("dice", "iou", "recall", "bce"):
        assert set(result["held_out"][rate]) <= {"1", "2"}
        assert result["held_out"][rate]


def test_a_training_by_time_is_replayed_by_its_steps():
    def entry(settings):
        request = {"kind": "train", "images": ["a"], "settings": settings}
        return {"step": "train", "settings": {"request": request, "result": {"steps": 7}}}

    budget, steps = recorded_requests([entry({"budget_s": 60}), entry({"steps": 9})])
    assert (budget.settings.steps, budget.settings.budget_s) == (7, None)
    assert steps.settings.steps == 9


def test_a_failed_job_is_not_recorded(densify, files, project):
    densify("train", project.path, "-o", files.folder / "m.safetensors", "--device", "cuda:42")
    assert project.history() == []


def test_replay_does_everything_again(densify, files, project):
    made = train_a_round(densify, project)
    labels = project.prediction_path(made.number)
    args = ("--set", "mirrors=1")
    assert densify("predict", project.path, "--model", made.model, "-o", labels, *args).code == 0
    # Painted since: the replay learns from the strokes of the round, not from these.
    project = Project.open(project.path)
    painted = project.painted()
    painted[6] = np.ones((48, 48), np.uint8)
    painted.close()
    project.close()
    before = {p: p.read_bytes() for p in project.path.rglob("*") if p.is_file()}

    target = files.folder / "again"
    outcome = densify("replay", project.path, "-o", target, "--json")
    assert outcome.code == 0, outcome.err
    assert [step["kind"] for step in outcome.result["steps"]] == ["train", "predict"]
    model = target / "models" / made.folder.name / "model.safetensors"
    again = json.loads(json.dumps(read_spec(model).training["settings"]))
    assert again == json.loads(json.dumps(read_spec(made.model).training["settings"]))
    np.testing.assert_array_equal(
        open_labels(target / "predictions" / labels.name).read_labels(),
        open_labels(labels).read_labels(),
    )
    assert {p: p.read_bytes() for p in before} == before


def test_a_resumed_training_is_replayed_from_its_start(densify, project):
    settings = TrainSettings(steps=2, base_channels=4, depth=2, patch=(4, 32, 32))
    request = TrainRequest(
        images=(str(project.path),), output=str(project.path / "models/001/model.safetensors"),
        settings=settings, resume=True,
    )  # fmt: skip
    step = {"request": request.model_dump(mode="json"), "result": {"steps": 2}}
    project.log("train", step)
    outcome = densify("replay", project.path)
    assert outcome.code == 0, outcome.err


def test_replay_makes_ids_beside_labels_and_reads_the_probabilities_that_there_are(
    densify, files, project
):
    made = train_a_round(densify, project)
    maps = project.prediction_path(made.number, "probabilities")
    words = ("--model", made.model, "-o", project.prediction_path(made.number))
    assert densify("predict", project.path, *words, "--probabilities", maps).code == 0
    ids, labels = project.path / "ids.zarr", project.path / "regions.zarr"
    ids_of = ("--objects", ids, "--set", "landscape=probability", "--probabilities", maps)
    done = densify("classical", "watershed", project.path, "-o", labels, *ids_of)
    assert done.code == 0, done.err
    before = {p: p.read_bytes() for p in project.path.rglob("*") if p.is_file()}
    target = files.folder / "again"
    outcome = densify("replay", project.path, "-o", target)
    assert outcome.code == 0, outcome.err
    assert (target / ids.name).is_dir()
    assert {p: p.read_bytes() for p in before} == before


def test_replay_never_writes_into_its_project(densify, project):
    made = train_a_round(densify, project)
    outcome = densify("replay", project.path, "-o", project.path)
    assert outcome.code == 2
    assert "only read" in outcome.err
    assert made.complete
    assert made.strokes.is_dir()


def test_replay_of_no_project_and_of_nothing(densify, files, project):
    assert "not a project" in densify("replay", files.image).err
    assert "nothing to do again" in densify("replay", project.path).err
