from __future__ import annotations

from pathlib import Path

import pytest

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Event, LayerUpdated
from napari_densify.core.requests import SketchRequest
from napari_densify.engine.jobs import run_job, sketch
from napari_densify.io import open_labels
from napari_densify.project import Project
from tests.training.test_trainer import bricks

VIEW = ((2, 3), (0, 64), (0, 64))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    image, _ = bricks()
    made = Project.create(tmp_path / "p.densify", shape=image.shape)
    made.import_array(image)
    return made


def asked(project: Project, generation: int) -> list[Event]:
    request = SketchRequest(project=str(project.path), region=VIEW, generation=generation)
    return list(run_job(request, JobControl()))


def test_the_first_strokes_label_the_slice_on_screen(project: Project) -> None:
    _, truth = bricks()
    paint = project.painted()
    paint[1, :24] = truth[1, :24]
    paint.flush()
    first = [e for e in asked(project, 3) if isinstance(e, LayerUpdated)]
    assert [(e.generation, e.region, e.role) for e in first] == [(3, VIEW, "preview")]
    assert "random forest" in first[0].message
    before = open_labels(first[0].path).read_labels()[2]
    assert (before == truth[2]).mean() > 0.8
    reader = next(iter(sketch._kept.values()))
    paint[4] = 3 - truth[4]  # more and contradicting paint turns the answer round
    paint.flush()
    asked(project, 4)
    assert next(iter(sketch._kept.values())) is reader  # voxels are not read twice
    after = open_labels(first[0].path).read_labels()[2]
    assert (after != before).mean() > 0.5
    paint.close()
    project.close()


def test_strokes_that_teach_nothing_are_refused(project: Project) -> None:
    paint = project.painted()
    paint[1, :24] = 2
    paint.flush()
    with pytest.raises(InputError, match="only one"):
        asked(project, 1)
    paint.close()
    project.close()
