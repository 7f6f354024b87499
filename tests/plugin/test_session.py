from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_densify.core.errors import InputError
from napari_densify.core.events import (
    Done,
    Failed,
    LayerUpdated,
    ModelSaved,
    Notice,
    Progress,
    StepDone,
)
from napari_densify.plugin import asking
from napari_densify.plugin.class_table import replace_class
from napari_densify.plugin.jobs import Job, TrainingLog
from napari_densify.plugin.session import Session
from napari_densify.project import Project

JOB = Job("train-1-1", "train")


@pytest.fixture
def session(tmp_path):
    image = tmp_path / "image.tif"
    tifffile.imwrite(image, np.zeros((12, 16, 16), np.uint8))
    made = Session()
    made.open(Project.create(tmp_path / "a.densify", shape=(12, 16, 16), image=str(image)))
    yield made
    made.close()


def test_nothing_can_be_asked_without_a_project():
    with pytest.raises(InputError, match="no project"):
        asking.require_training(Session())


def test_it_says_what_is_missing(session):
    assert "Nothing is painted" in session.advice()
    session.paint[2, 1, 1] = 2
    assert "Only foreground is painted. Paint the background too" in session.advice()
    session.paint[2, 2, 2] = 1
    assert session.advice() == ""


def test_paint_on_held_out_slices_does_not_count_for_training(session):
    session.paint[2, 1, 1:3] = [1, 2]
    asking.require_training(session)
    session.set_held_out(2, True)
    with pytest.raises(InputError, match="no voxel is annotated"):
        asking.require_training(session)
    asking.require_training(session, all_paint=True)


def test_one_of_five_painted_slices_is_proposed_to_be_held_out(session):
    for z in range(4):
        session.paint[2 * z, 0, 0] = 1
    assert session.proposed_held_out() is None
    session.paint[8, 0, 0] = 1
    assert session.proposed_held_out() == 4
    session.set_held_out(4, True)
    assert session.proposed_held_out() is None


def test_a_painted_class_cannot_be_removed(session):
    session.paint[0, 0, 0] = 2
    with pytest.raises(InputError, match="foreground is painted"):
        session.set_classes(session.classes.only([1]))


def test_a_failed_round_leaves_nothing_behind(session):
    session.paint[2, 1, 1:3] = [1, 2]
    session.begin_training(JOB, session.project.new_round(), TrainingLog())
    session.hear(Failed(job="train-1-1", message="out of memory", fault=True))
    assert session.job is None
    assert list((session.project.path / "models").iterdir()) == []


def test_a_finished_round_is_chosen_and_keeps_its_scores(session):
    session.paint[2, 1, 1:3] = [1, 2]
    made = session.project.new_round()
    request = asking.train_request(session, made)
    session.begin_training(JOB, made, TrainingLog(slices=1, voxels=2))
    open(request.output, "w").close()
    session.hear(StepDone(job="train-1-1", step=1, loss=0.5, learning_rate=1, elapsed_s=1))
    session.hear(ModelSaved(job="train-1-1", path=request.output, steps=1, elapsed_s=1))
    session.hear(Done(job="train-1-1", result={"held_out": {"mean_dice": 0.5}}))
    assert session.chosen_round().number == session.round_number == 1
    assert session.chosen_round().scores["held_out"] == {"mean_dice": 0.5}
    assert asking.predict_request(session).model == request.output
    kept = TrainingLog.from_scores(session.chosen_round().scores)
    assert (kept.loss, kept.slices, kept.voxels) == ([0.5], 1, 2)


@pytest.fixture
def other(tmp_path):
    image = tmp_path / "other.tif"
    tifffile.imwrite(image, np.zeros((12, 16, 16), np.uint8))
    return Project.create(tmp_path / "b.densify", shape=(12, 16, 16), image=str(image))


def test_a_training_of_a_closed_project_ends_on_disk_and_is_not_shown(session, other):
    made = session.project.new_round()
    session.begin_training(JOB, made, TrainingLog(slices=1, voxels=2))
    shown = []
    session.layer_updated.connect(shown.append)
    session.open(other)
    made.model.write_bytes(b"")
    session.hear(StepDone(job=JOB.id, step=1, loss=0.5, learning_rate=1, elapsed_s=1))
    session.hear(LayerUpdated(job=JOB.id, path="a.densify/predictions/001.zarr", name="a"))
    session.hear(ModelSaved(job=JOB.id, path=str(made.model), steps=1, elapsed_s=1))
    session.hear(Done(job=JOB.id, stopped=True))
    assert session.job is None
    assert (session.round_number, session.earlier, shown) == (0, {}, [])
    assert session.training.loss == []
    assert TrainingLog.from_scores(made.scores).loss == [0.5]


@pytest.mark.parametrize(
    "last", [Done(job=JOB.id, stopped=True), Failed(job=JOB.id, message="", fault=True, again=True)]
)
def test_a_training_of_a_closed_project_without_a_model_leaves_nothing(session, other, last):
    models = session.project.path / "models"
    session.begin_training(JOB, session.project.new_round(), TrainingLog())
    session.open(other)
    session.hear(last)
    assert list(models.iterdir()) == []
    assert session.unfinished is None


@pytest.mark.parametrize("kind", ["compare", "suggest"])
def test_what_was_found_for_a_closed_project_stays_there(session, other, kind):
    session.begin(Job("x-1-1", kind))
    session.open(other)
    session.hear(Done(job="x-1-1", result={"rows": [{"method": "a"}], "suggestions": [{}]}))
    assert (session.comparison, session.suggested) == ([], ())


def test_answers_to_other_jobs_are_ignored(session):
    session.begin(Job("train-1-2", "train"))
    session.hear(Done(job="train-1-1"))
    assert session.job is not None


def test_a_second_job_is_refused_while_one_runs(session):
    session.paint[2, 1, 1:3] = [1, 2]
    session.begin(Job("compare-1-1", "compare"))
    with pytest.raises(InputError, match="comparing is under way"):
        asking.require_training(session)


def test_notices_reach_the_user(session):
    said = []
    session.said.connect(lambda level, text: said.append((level, text)))
    session.hear(Notice(level="warning", message="half memory"))
    assert said == [("warning", "half memory")]


def test_settings_are_kept_in_the_project(session):
    session.set_train_settings(session.train_settings.model_copy(update={"budget_s": 7.0}))
    folder = session.project.path
    session.close()
    again = Session()
    again.open(Project.open(folder))
    assert again.train_settings.budget_s == 7.0
    again.close()


def test_a_box_for_the_3d_view_is_bounded_and_inside():
    whole = (slice(0, 100), slice(0, 4000), slice(0, 3000))
    box = asking.box_around(whole, (5, 3990, 1500), 2**24)
    sides = [s.stop - s.start for s in box]
    assert 2**23 < np.prod(sides) <= 2**24
    assert all(s.start >= 0 and s.stop <= w.stop for s, w in zip(box, whole, strict=True))
    assert box[1].stop == 4000
    assert abs((box[2].start + box[2].stop) / 2 - 1500) <= 1
    assert asking.box_around((slice(0, 5),) * 3, (0, 0, 0), 2**24) == (slice(0, 5),) * 3


def test_steps_are_told_on_now_and_then_and_the_last_ones_at_the_end(session):
    drawn, told = [], []
    session.begin_training(JOB, session.project.new_round(), TrainingLog())
    session.training_changed.connect(lambda: drawn.append(len(session.training.loss)))
    session.job_changed.connect(lambda: told.append(session.job and session.job.fraction))
    for step in range(1, 101):
        at = {"job": JOB.id, "step": step, "elapsed_s": step / 10}
        session.hear(StepDone(**at, loss=0.5, learning_rate=1))
        session.hear(
            Progress(job=JOB.id, done=step / 100, total=1.0, message="training", unit="training")
        )
    assert session.job.fraction == 1.0
    assert 1 <= len(drawn) < 20
    assert len(told) < 20
    session.hear(Progress(job=JOB.id, done=1, total=2, message="saving", unit="training"))
    assert told[-1] == 0.5  # something else begins: at once
    session.hear(Done(job=JOB.id))
    assert drawn[-1] == 100


def test_paint_without_a_class_gets_one_and_locks_nothing(session):
    folder = session.project.path
    session.paint[2, 1, 1] = 4
    session.recount()
    assert session.classes.values == (1, 2, 4)
    session.project.update(classes=session.classes.only([1, 2]))  # as an earlier version left it
    session.set_classes(replace_class(session.classes, 2, name="membrane"))
    assert session.classes.values == (1, 2)
    session.close()
    again = Session()
    again.open(Project.open(folder))
    assert [again.classes.name(v) for v in again.classes.values] == [
        "background", "membrane", "class 4",
    ]  # fmt: skip
    again.close()
