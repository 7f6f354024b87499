"""Strokes that come while a round is trained: the history says after which step."""

from __future__ import annotations

from pathlib import Path

from napari_densify.core.control import JobControl
from napari_densify.core.events import StepDone
from napari_densify.core.requests import TrainRequest
from napari_densify.engine.jobs import run_job
from napari_densify.project import Project
from tests.training.test_trainer import QUICK, bricks


def test_the_history_says_after_which_step_strokes_came(tmp_path: Path) -> None:
    image, truth = bricks()
    project = Project.create(tmp_path / "p.densify", shape=image.shape)
    project.import_array(image)
    paint = project.painted()
    paint[1, :24] = truth[1, :24]
    paint.flush()
    made, path = project.new_round(), str(project.path)
    request = TrainRequest(
        images=(path,), annotations=(path,), output=str(made.model), project=path,
        settings=QUICK.model_copy(update={"steps": 6}),
    )  # fmt: skip
    control = JobControl()
    for event in run_job(request, control):
        if isinstance(event, StepDone) and event.step in (2, 4):
            z = event.step
            paint[z] = truth[z]
            paint.flush()
            control.changed.append((slice(z, z + 1), slice(0, 64), slice(0, 64)))
    paint.close()
    project.close()
    (entry,) = Project.open(path, read_only=True).history()
    assert entry["settings"]["result"]["stroke_updates"] == [
        {"step": z, "regions": [[[z, z + 1], [0, 64], [0, 64]]]} for z in (2, 4)
    ]
