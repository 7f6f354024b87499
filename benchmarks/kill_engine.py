"""Kill -9 while a project is painted on, trained on and predicted.

The engine that is killed is the real one, asked over its pipes: it trains a tiny network
for a few steps and predicts with it, again and again, while another process paints. Both
are killed at a random moment. Then every stroke older than a second must be there, every
round must hold a model that loads, what was reported as done must be recorded, and an
unfinished prediction must say so and, resumed, equal one that was never interrupted.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import kill_project as viewer
from napari_densify.annotations import AnnotationStore
from napari_densify.core import requests as ask
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Failed, parse_event
from napari_densify.core.files import remove_tree
from napari_densify.core.settings import PredictSettings, TrainSettings
from napari_densify.engine.guard import guarded
from napari_densify.io import open_labels, write_volume
from napari_densify.networks import load_model
from napari_densify.project import Project, Round

PRELOAD = [
    "napari_densify.project",
    "napari_densify.engine.process",
    "napari_densify.engine.jobs.predict",
    "napari_densify.engine.jobs.train",
    "napari_densify.inference.volume",
    "napari_densify.training.trainer",
]
SETTINGS = TrainSettings(
    steps=2, base_channels=4, depth=2, patch=(4, 32, 32), batch=1, device="cpu"
)
PREDICT = PredictSettings(device="cpu")
_ENOUGH = 6


@dataclass
class Work:
    """What the engine has reported."""

    trained: list[int] = field(default_factory=list)
    predicted: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    doing: str = "start"


def be_engine(requests: Connection, events: Connection) -> None:
    """Be the engine on these pipes (the child process)."""
    import torch

    from napari_densify.engine import process

    torch.set_num_threads(1)
    os.dup2(requests.fileno(), 0)
    os.dup2(events.fileno(), 1)
    process.main()


def make_project(folder: Path) -> Path:
    """Make a project with an image and two painted classes."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, viewer.SHAPE).astype(np.uint8)
    write_volume(folder / "image.zarr", image)
    path = folder / "kïlled project.densify"
    with Project.create(
        path,
        shape=viewer.SHAPE,
        image=str(folder / "image.zarr"),
        spacing=(10, 10, 10),
        spacing_known=True,
        classes=viewer.CLASSES,
    ) as project:
        painted = project.painted()
        painted[1, :300], painted[1, 300:] = 1, 2
        painted.close()
        for event in guarded(train_request(project, project.new_round()), JobControl()):
            if isinstance(event, Failed):
                raise RuntimeError(event.message)
    return path


def drive(
    path: Path, requests: Connection, events: Connection, work: Work, predict_first: bool
) -> None:
    """Ask for trainings and predictions in turn until the engine is dead."""
    project = Project.open(path, read_only=True)

    def send(request: Any) -> None:
        os.write(requests.fileno(), request.model_dump_json().encode() + b"\n")

    with suppress(OSError, ValueError), os.fdopen(os.dup(events.fileno()), "rb") as stream:
        for number in turns(project, send, work, predict_first):
            for line in stream:
                event = parse_event(line)
                if isinstance(event, Failed):
                    work.failed.append(event.message)
                    return
                if isinstance(event, Done):
                    (work.trained if work.doing == "train" else work.predicted).append(number)
                    break
            else:
                return


def turns(project: Project, send: Any, work: Work, predict_first: bool) -> Iterator[int]:
    """Send the next request; yields the number of its round."""
    if predict_first and project.rounds():
        number = project.rounds()[-1].number
        work.doing = "predict"
        send(predict_request(project, number))
        yield number
    while True:
        made = project.new_round()
        work.doing = "train"
        send(train_request(project, made))
        yield made.number
        work.doing = "predict"
        send(predict_request(project, made.number))
        yield made.number


def train_request(project: Project, made: Round) -> ask.TrainRequest:
    """Ask for a training whose model goes into a round."""
    where = str(project.path)
    return ask.TrainRequest(
        images=(where,),
        annotations=(where,),
        output=str(made.model),
        project=where,
        settings=SETTINGS,
    )


def predict_request(project: Project, number: int, **changes: Any) -> ask.PredictRequest:
    """Ask for the prediction of a round."""
    content: dict[str, Any] = {
        "images": (str(project.path),),
        "model": str(project.round(number).model if number else ""),
        "output": str(project.prediction_path(number)),
        "settings": PREDICT,
    }
    return ask.PredictRequest(**(content | changes))


def kill_once(
    path: Path, seed: int, longest_s: float, context: Any
) -> tuple[viewer.Ledger, float, Work]:
    """Let viewer and engine work for a random time, then kill both."""
    rng, work = np.random.default_rng(seed), Work()
    hear, say = context.Pipe(duplex=False)
    taken, requests = context.Pipe(duplex=False)
    events, told = context.Pipe(duplex=False)
    painter = context.Process(target=viewer.work, args=(str(path), seed, say, False))
    engine = context.Process(target=be_engine, args=(taken, told))
    children = [painter, engine]
    for child in children:
        child.start()
    for end in (say, taken, told):
        end.close()
    driver = threading.Thread(target=drive, args=(path, requests, events, work, seed % 2 == 1))
    driver.start()
    ledger = viewer.listen(hear, rng.uniform(0.0, longest_s))
    killed = time.monotonic()
    for child in children if rng.random() < 0.5 else reversed(children):
        os.kill(child.pid, signal.SIGKILL)
    for child in children:
        child.join()
    viewer.drain(hear, ledger)
    driver.join()
    for end in (hear, requests, events):
        end.close()
    return ledger, killed, work


def check(path: Path, work: Work) -> list[str]:
    """Everything that is wrong with rounds and predictions."""
    wrong = [f"the engine refused: {message}" for message in work.failed]
    project = Project.open(path, read_only=True)
    numbers = {r.number for r in project.rounds()}
    if set(work.trained) - numbers:
        wrong.append("a trained round is missing")
    for item in project.rounds():
        try:
            load_model(str(item.model))
        except InputError as error:
            wrong.append(f"round {item.number} cannot be loaded: {error}")
    steps = [step["step"] for step in project.history()]
    if steps.count("train") < len(work.trained) or steps.count("predict") < len(work.predicted):
        wrong.append("history lost a step")
    for number in sorted(numbers):
        wrong += check_prediction(project, number, done=number in work.predicted)
    return wrong


def check_prediction(project: Project, number: int, *, done: bool) -> list[str]:
    """Resume what is unfinished; it must equal a prediction that nothing interrupted."""
    place = project.prediction_path(number)
    if not place.exists():
        return [f"prediction {number} is missing"] if done else []
    try:
        notes = open_labels(place).metadata["notes"]
    except InputError:
        notes = ("unfinished",)  # killed before its first block: refused, never read as data
    if not any("unfinished" in note for note in notes):
        return []
    if done:
        return [f"prediction {number} was reported as done, and is not"]
    resumed = PREDICT.model_copy(update={"resume": True})
    again = place.with_name("again.zarr")
    for request in (
        predict_request(project, number, settings=resumed),
        predict_request(project, number, output=str(again)),
    ):
        for event in guarded(request, JobControl()):
            if isinstance(event, Failed):
                if "start again" not in event.message:
                    return [f"prediction {number} cannot be gone on with: {event.message}"]
                return []
    same = np.array_equal(open_labels(place).read_labels(), open_labels(again).read_labels())
    return [] if same else [f"prediction {number}, resumed, differs from an uninterrupted one"]


def tidy(path: Path) -> None:
    """Keep the project small, so that the next check is quick."""
    project = Project.open(path, read_only=True)
    for item in project.rounds()[:-_ENOUGH]:
        item.delete()
    remove_tree(path / "predictions")


def run(
    folder: Path,
    *,
    kills: int,
    seed: int = 0,
    longest_s: float = 4.0,
    grace_s: float = 1.0,
    until: float = math.inf,
) -> viewer.Report:
    """Kill viewer and engine again and again; the project must survive every time.

    Parameters
    ----------
    folder
        Where the project is made.
    kills
        How often.
    longest_s
        Both live for a random time up to this.
    grace_s
        Strokes older than this must be on disk.
    until
        ``time.monotonic()`` after which no more are begun.
    """
    context = viewer.forkserver(PRELOAD)
    path, report = make_project(folder), viewer.Report()
    for number in range(kills):
        if time.monotonic() > until:
            break
        before = AnnotationStore(path / "annotations.zarr", read_only=True).read(
            viewer.everything()
        )
        ledger, killed, work = kill_once(path, seed * 100_000 + number, longest_s, context)
        wrong, age = viewer.check(path, before, ledger, killed)
        report.add(ledger, age, wrong + check(path, work), grace_s, during=work.doing)
        tidy(path)
    return report
