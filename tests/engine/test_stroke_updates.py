"""Strokes that come while a round is trained: kept with it, and done again with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_densify.annotations import AnnotationStore, ArrayAnnotations
from napari_densify.core.blocks import full_region
from napari_densify.core.control import JobControl
from napari_densify.core.events import Notice, StepDone
from napari_densify.core.model_file import read_spec
from napari_densify.core.requests import PredictRequest, ReplayRequest, TrainRequest
from napari_densify.engine.jobs import run_job
from napari_densify.evaluation import score_labels
from napari_densify.io import open_labels
from napari_densify.project import Project, Round
from tests.training.test_trainer import QUICK, bricks

STEPS = (2, 4)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    image, truth = bricks()
    made = Project.create(tmp_path / "p.densify", shape=image.shape)
    made.import_array(image)
    paint = made.painted()
    paint[1, :24] = truth[1, :24]
    paint.close()
    return made


def asked(project: Project, made: Round, steps: int) -> TrainRequest:
    """What the dock asks for when Train is clicked."""
    path, settings = str(project.path), QUICK.model_copy(update={"steps": steps})
    return TrainRequest(
        images=(path,), annotations=(path,), output=str(made.model), project=path, live=True,
        settings=settings,
    )  # fmt: skip


def trained_while_painting(project: Project, *, steps: int = 6) -> tuple[Round, list[str]]:
    """Train a round; after steps 2 and 4 slices 2 and 4 are painted. Returns its warnings too."""
    _, truth = bricks()
    made, paint = project.new_round(), project.painted()
    control, said = JobControl(), []
    for event in run_job(asked(project, made, steps), control):
        if isinstance(event, Notice):
            said.append(event.message)
        if isinstance(event, StepDone) and event.step in STEPS:
            z = event.step
            paint[z] = truth[z]
            paint.flush()
            control.changed.append((slice(z, z + 1), slice(0, 64), slice(0, 64)))
    paint.close()
    project.close()
    return made, said


def predicted(model: Path, image: Path, target: Path) -> np.ndarray:
    request = PredictRequest(images=(str(image),), model=str(model), output=str(target))
    for _ in run_job(request, JobControl()):
        pass
    return open_labels(target).read_labels()


def test_the_history_says_after_which_step_strokes_came(project: Project) -> None:
    trained_while_painting(project)
    (entry,) = Project.open(project.path, read_only=True).history()
    assert entry["settings"]["result"]["stroke_updates"] == [
        {"step": z, "regions": [[[z, z + 1], [0, 64], [0, 64]]]} for z in STEPS
    ]


def test_a_round_holds_what_it_began_with_and_what_came_later(project: Project) -> None:
    made, _ = trained_while_painting(project)
    everything, (_, truth) = full_region(truth_shape()), bricks()
    expected = np.zeros_like(truth)
    expected[1, :24] = truth[1, :24]
    steps = [(step, [box.region[0].start for box in boxes]) for step, boxes in made.updates.read()]
    assert steps == [(z, [z]) for z in STEPS]
    for z in STEPS:
        expected[z] = truth[z]
    np.testing.assert_array_equal(made.learned_strokes().read(everything), expected)
    covered = np.zeros_like(truth, int)
    for box in made.learned_strokes().cover((slice(5, 6), slice(3, 4), slice(3, 4))):
        covered[box] += 1
    assert [int(covered[z].max()) for z in range(6)] == [0, 1, 1, 0, 1, 1]
    assert covered.max() == 1


def test_a_round_that_waited_begins_with_the_strokes_of_its_start(project: Project) -> None:
    made, paint = project.new_round(), project.painted()
    paint[3] = bricks()[1][3]  # while the engine was busy with something else
    paint.close()
    project.close()
    made.updates.add(90, [full_region((1, 4, 4))], project.annotations())  # of a lost attempt
    for _ in run_job(asked(project, made, steps=2), JobControl()):
        pass
    assert AnnotationStore(made.strokes, read_only=True).counts() == project.annotations().counts()
    assert list(made.updates.read()) == []
    assert not (made.folder / "strokes-now.zarr").exists()


def test_a_copied_project_is_replayed_with_the_strokes_of_its_round(project: Project) -> None:
    made, _ = trained_while_painting(project)
    away = project.path.with_name("copy.densify")
    shutil.copytree(project.path, away)
    with Project.open(project.path) as first:
        paint = first.painted()
        paint[1] = 0
        paint.close()
    request = ReplayRequest(project=str(away))
    for _ in run_job(request, JobControl()):
        pass
    again = Round(away.with_name("copy-replay"))
    everything = full_region(truth_shape())
    assert again.complete
    np.testing.assert_array_equal(
        again.learned_strokes().read(everything), made.learned_strokes().read(everything)
    )


def test_of_strokes_painted_again_and_again_the_last_count(project: Project) -> None:
    made, region = project.new_round(), full_region((1, 2, 2))
    for step, value in enumerate((1, 2, 1, 2)):
        labels = np.full((1, 2, 2), value, np.uint8)
        made.updates.add(step, [region, region], ArrayAnnotations(labels))
    learned = made.learned_strokes()
    np.testing.assert_array_equal(learned.read(region), 2)
    assert len(learned._later) == 1


def test_a_replay_paints_after_the_same_steps(project: Project, tmp_path: Path) -> None:
    made, _ = trained_while_painting(project, steps=30)
    again = tmp_path / "again"
    request = ReplayRequest(project=str(project.path), output=str(again))
    for _ in run_job(request, JobControl()):
        pass
    model = again / "models" / made.folder.name / "model.safetensors"
    assert read_spec(model).training["steps"] == 30
    scores = []
    for number, file in enumerate((made.model, model)):
        labels = predicted(file, project.path, tmp_path / f"{number}.tif")
        scores.append(score_labels(labels, bricks()[1]).mean_dice)
    assert scores[0] > 0.9
    assert scores[1] == pytest.approx(scores[0], abs=0.01)
    np.testing.assert_array_equal(
        Round(model.parent).learned_strokes().read(full_region(truth_shape())),
        made.learned_strokes().read(full_region(truth_shape())),
    )


def test_a_training_outlives_a_disk_too_full_to_keep_its_strokes(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("napari_densify.project.updates.atomic_write_bytes", full)
    made, said = trained_while_painting(project)
    assert made.complete
    assert any("no space left" in message for message in said)


def test_damaged_updates_are_passed_over(project: Project) -> None:
    made, _ = trained_while_painting(project)
    first, second = sorted((made.folder / "updates").iterdir())
    first.write_bytes(first.read_bytes()[:40])
    (made.folder / "updates" / "notes.npz").write_bytes(b"")
    assert [step for step, _ in made.updates.read()] == [int(second.stem)]


def truth_shape() -> tuple[int, ...]:
    return bricks()[1].shape
