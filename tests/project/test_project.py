from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_densify.annotations import AnnotationStore
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.project import Project

SHAPE = (8, 48, 40)
ALL = tuple(slice(0, n) for n in SHAPE)


def test_a_project_opens_as_it_was_left(project):
    painted = project.painted()
    painted[3, 5:20, 7:9] = 2
    painted.close()
    project.set_held_out([5, 3])
    project.update(classes=ClassTable.from_values([1, 2, 4]), settings={"train": {"budget": 60}})
    project.close()
    again = Project.open(project.path)
    assert not again.read_only
    assert not again.notice
    assert again.held_out == (3, 5)
    assert again.classes.values == (1, 2, 4)
    assert again.document.settings == {"train": {"budget": 60}}
    assert again.annotations().counts() == {2: 30}
    assert again.image().shape == again.shape == SHAPE
    assert again.image().spacing == again.spacing == (40.0, 8.0, 8.0)
    assert again.image().spacing_known
    again.close()


def test_held_out_slices_are_given_back(project):
    project.set_held_out([1, 2, 3])
    project.set_held_out([2], held_out=False)
    assert project.held_out == (1, 3)
    with pytest.raises(InputError, match="slice 8 is outside"):
        project.set_held_out([8])
    assert Project.open(project.path, read_only=True).held_out == (1, 3)


def test_the_engine_reads_while_the_viewer_paints(project):
    painted = project.painted()
    engine = Project.open(project.path, read_only=True)
    painted[0, 0, 0] = 1
    painted.flush()
    assert engine.annotations().counts() == {1: 1}
    with pytest.raises(InputError, match="read-only"):
        engine.update(held_out=(1,))
    painted.close()


def test_a_second_opener_may_only_look_and_is_told(project):
    second = Project.open(project.path)
    assert second.read_only
    assert "open in another viewer" in second.notice
    with pytest.raises(InputError, match=r"another viewer.*; close the other viewer"):
        second.set_held_out([1])
    with pytest.raises(InputError, match="read-only"):
        second.painted()[0, 0, 0] = 1
    project.close()
    third = Project.open(project.path)
    assert not third.read_only
    third.close()


def test_an_array_in_memory_is_copied_into_the_project(folder, rng):
    array = rng.normal(size=(2, *SHAPE)).astype(np.float32)
    with Project.create(folder / "a.densify", shape=SHAPE) as project:
        with pytest.raises(InputError, match="no image yet"):
            project.image()
        steps = []
        project.import_array(array, name="probe", progress=lambda *done: steps.append(done))
        assert steps[-1][0] == steps[-1][1] >= 1
        np.testing.assert_array_equal(project.image().read(), array)
    folder.joinpath("a.densify").rename(folder / "moved.densify")
    with Project.open(folder / "moved.densify") as moved:
        np.testing.assert_array_equal(moved.image().read(), array)
        assert not moved.image().spacing_known
        with pytest.raises(InputError, match=r"shape \(1, 2, 3\)"):
            moved.import_array(np.zeros((1, 2, 3)))
        np.testing.assert_array_equal(moved.image().read(), array)


def test_an_image_that_changed_is_refused(project, image_file):
    project.close()
    tifffile.imwrite(image_file, np.zeros(SHAPE, np.uint8))
    with pytest.raises(InputError, match="another image than the one that was painted on"):
        Project.open(project.path, read_only=True).image()
    tifffile.imwrite(image_file, np.zeros((2, 6, 9), np.uint8))
    with pytest.raises(InputError, match=r"has shape \(2, 6, 9\)"):
        Project.open(project.path, read_only=True).image()


def test_rounds(project):
    painted = project.painted()
    painted[2, 1, 1] = 2
    painted.flush()
    first = project.new_round()
    assert project.rounds() == [], "a round without a model is none"
    first.model.write_bytes(b"weights")
    painted[2, 1, 1] = 1
    painted.close()
    second = project.new_round()
    second.model.write_bytes(b"weights")
    second.rename("  with mitochondria ")
    second.save_scores({"dice": {"2": 0.9}})
    assert [r.number for r in project.rounds()] == [1, 2]
    assert [r.name for r in project.rounds()] == ["round 1", "with mitochondria"]
    assert project.round(2).scores == {"dice": {"2": 0.9}}
    assert project.round(1).scores == {}
    assert AnnotationStore(first.strokes, read_only=True).counts() == {2: 1}
    assert AnnotationStore(second.strokes, read_only=True).counts() == {1: 1}
    first.delete()
    assert [r.number for r in project.rounds()] == [2]
    assert project.new_round().number == 3
    with pytest.raises(InputError, match=r"there is no round 7.*has: 2"):
        project.round(7)


def test_a_reader_adds_rounds_and_history(project):
    engine = Project.open(project.path, read_only=True)
    assert engine.new_round().number == 1
    assert project.new_round().number == 2
    engine.log("train", {"budget_s": 5})
    assert [h["step"] for h in project.history()] == ["train"]


def test_prediction_paths(project):
    assert project.prediction_path(1) == project.path / "predictions" / "001.zarr"
    assert project.prediction_path(12, "probabilities").name == "012-probabilities.zarr"


def test_only_looking_for_a_prediction_writes_nothing(project, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", _refuse)
    assert not project.prediction_path(1).exists()


def _refuse(*_args, **_options):
    raise PermissionError("read-only share")


def test_the_predictions_of_a_deleted_round_go_with_it(project):
    made = [project.new_round() for _ in range(3)]
    for item in made:
        item.model.write_bytes(b"weights")
        project.prediction_path(item.number).mkdir(parents=True)
        project.prediction_path(item.number, "probabilities").mkdir()
    made[1].delete()
    left = sorted(p.name for p in (project.path / "predictions").iterdir())
    assert left == ["001-probabilities.zarr", "001.zarr", "003-probabilities.zarr", "003.zarr"]


def test_a_prediction_that_outlived_its_round_is_not_taken_for_the_next_ones(project):
    project.new_round().model.write_bytes(b"weights")
    project.prediction_path(2).mkdir(parents=True)
    assert project.new_round().number == 3


def test_more_than_255_classes_fit(folder):
    classes = ClassTable.from_values([1, 300])
    with Project.create(folder / "many.densify", shape=SHAPE, classes=classes) as project:
        painted = project.painted()
        painted[0, 0, 0] = 300
        painted.close()
        assert project.annotations().counts() == {300: 1}
        project.update(classes=ClassTable.from_values([1, 2]))
        project.update(classes=classes)


def test_codes_that_the_annotations_cannot_hold_are_refused(project):
    with pytest.raises(InputError, match="code 256 does not fit"):
        project.update(classes=ClassTable.from_values([1, 256]))
    assert project.classes.values == (1, 2)


def test_what_cannot_become_a_project_is_refused(folder, image_file):
    with pytest.raises(InputError, match=r"has shape \(8, 48, 40\), but"):
        Project.create(folder / "a.densify", image=str(image_file), shape=(1, 2, 3))
    with pytest.raises(InputError, match="voxel size"):
        Project.create(folder / "a.densify", shape=SHAPE, spacing=(0.0, 1.0, 1.0))
    with pytest.raises(InputError, match="is empty"):
        Project.create(folder / "a.densify", shape=(0, 1, 1))
    with pytest.raises(InputError, match=r"missing\.tif"):
        Project.create(folder / "a.densify", image=str(folder / "missing.tif"), shape=SHAPE)
    assert [f.name for f in folder.iterdir()] == [image_file.name], "leftovers"
    (folder / "there").mkdir()
    with pytest.raises(InputError, match="exists already"):
        Project.create(folder / "there", shape=SHAPE)
    with pytest.raises(InputError, match="cannot be written"):
        Project.create(image_file / "a.densify", shape=SHAPE)


def test_what_is_no_project_is_refused(folder):
    with pytest.raises(InputError, match="not a project"):
        Project.open(folder)
    with pytest.raises(InputError, match="not a project"):
        Project.open(folder / "missing")


def test_project_json_is_opened_too(project):
    assert Project.open(project.path / "project.json", read_only=True).path == project.path


def test_a_full_disk_leaves_the_last_saved_state(project, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    project.set_held_out([1])
    with monkeypatch.context() as patch:
        patch.setattr("napari_densify.project.document.atomic_write_json", full)
        with pytest.raises(InputError, match=r"No space left on device.*free some room"):
            project.set_held_out([2])
    assert project.held_out == (1,)
    assert json.loads((project.path / "project.json").read_text())["held_out"] == [1]
    project.set_held_out([2])
    assert Project.open(project.path, read_only=True).held_out == (1, 2)


def test_a_round_that_cannot_be_deleted_says_so(project, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied")

    made = project.new_round()
    monkeypatch.setattr("napari_densify.project.rounds.remove_tree", denied)
    with pytest.raises(InputError, match=r"cannot be deleted \(Permission denied\)"):
        made.delete()
