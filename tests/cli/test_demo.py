"""The demo: the whole way on the bundled volume."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_densify.core.events import Done, Log
from napari_densify.core.requests import DemoRequest
from napari_densify.engine.jobs import compare, demo, predict, train


def test_steps_of_the_demo(tmp_path, monkeypatch):
    """Each step gets what the one before has made; the result says where everything is."""
    asked = []

    def step(request, control):
        asked.append(request)
        yield Done(result={"kind": request.kind})

    for module in (train, predict, compare):
        monkeypatch.setattr(module, "run", step)
    request = DemoRequest(output=str(tmp_path / "out"), sample="nuclei")
    events = list(demo.run(request, demo.JobControl()))
    first, second, third = asked
    assert first.annotations[0].endswith("annotations.tif")
    assert second.model == first.output
    assert third.predictions == {"U-Net": second.output}
    assert third.truth.endswith("truth.tif")
    assert sum(isinstance(e, Log) for e in events) == 4
    assert events[-1].result["compare"] == {"kind": "compare"}


def test_unknown_sample(densify, tmp_path):
    outcome = densify("demo", "-o", tmp_path, "--sample", "brain")
    assert outcome.code == 2
    assert "brain" in outcome.err


def test_stop_keeps_what_is_done(tmp_path, monkeypatch):
    control = demo.JobControl()

    def step(request, control):
        control.stop = True
        yield Done(result={"model": request.output}, stopped=True)

    monkeypatch.setattr(train, "run", step)
    done = list(demo.run(DemoRequest(output=str(tmp_path)), control))[-1]
    assert done.stopped
    assert set(done.result) == {"output", "train"}


def test_gui_starts_the_viewer_in_its_own_process(densify, monkeypatch):
    started = []

    def call(command, check):
        started.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", call)
    assert densify("demo", "--gui", "--sample", "nuclei").code == 0
    assert started == [[sys.executable, "-m", "napari_densify.plugin.launch", "nuclei"]]


@pytest.mark.slow
def test_demo_beats_the_classical_methods(densify, tmp_path):
    outcome = densify("demo", "-o", tmp_path, "--json")
    assert outcome.code == 0, outcome.err
    rows = {row["method"]: row["mean Dice"] for row in outcome.result["compare"]["rows"]}
    assert rows["U-Net"] > max(rows["Threshold"], rows["Watershed"])
    for name in ("labels.tif", "model.safetensors", "comparison.png", "report/report.html"):
        assert (tmp_path / name).stat().st_size > 0
