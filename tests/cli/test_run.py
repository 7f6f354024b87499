"""Events, exit codes and interruptions of any command, with jobs made for the test."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from napari_densify.cli import run as cli
from napari_densify.cli.display import Display
from napari_densify.core import events as say
from napari_densify.core.errors import InputError
from napari_densify.core.requests import InfoRequest


def request():
    return InfoRequest(image="image.tif")


def run_with(monkeypatch, job, **kwargs):
    def guarded(asked, control):
        from napari_densify.engine.guard import guarded

        return guarded(asked, control, run=job)

    monkeypatch.setattr(cli, "guarded", guarded)
    return cli.run(request, lambda console, result: console.print(result["text"]), **kwargs)


def test_done(monkeypatch, capsys):
    code = run_with(monkeypatch, lambda r, c: iter([say.Done(result={"text": "hello"})]))
    assert code == 0
    assert capsys.readouterr().out == "hello\n"


def test_bad_input_is_one_line_on_stderr(monkeypatch, capsys):
    def job(asked, control):
        raise InputError("no paint", where="labels.tif", mend="paint\nsome slices")
        yield

    assert run_with(monkeypatch, job) == 2
    said = capsys.readouterr()
    assert said.err == "densify: labels.tif: no paint; paint some slices\n"
    assert said.out == ""


def test_fault_of_ours_comes_with_a_traceback(monkeypatch, capsys):
    def job(asked, control):
        yield say.Log(message="so far")
        raise ZeroDivisionError("oops")

    assert run_with(monkeypatch, job) == 1
    said = capsys.readouterr()
    assert "Traceback (most recent call last)" in said.err
    assert said.err.splitlines()[-1].endswith("ZeroDivisionError: oops")
    assert said.out == "so far\n"


def test_bad_options_are_bad_input(capsys):
    def bad():
        raise InputError("not a duration")

    assert cli.run(bad, lambda console, result: None) == 2
    assert capsys.readouterr().err == "densify: not a duration\n"


def test_first_interrupt_stops_softly(monkeypatch, capsys):
    def job(asked, control):
        while not control.stop:
            os.kill(os.getpid(), signal.SIGINT)
            yield say.Progress(done=0, total=1)
        yield say.Done(result={"text": "saved"}, stopped=True)

    before = signal.getsignal(signal.SIGINT)
    assert run_with(monkeypatch, job) == 130
    said = capsys.readouterr()
    assert "saved" in said.out
    assert "stopping" in said.err
    assert signal.getsignal(signal.SIGINT) is before


def test_second_interrupt_aborts(monkeypatch):
    def job(asked, control):
        while True:
            os.kill(os.getpid(), signal.SIGINT)
            yield say.Progress(done=0, total=1)

    with pytest.raises(KeyboardInterrupt):
        run_with(monkeypatch, job)


def test_budget_counts_from_the_start_of_the_process(monkeypatch):
    seen = []

    def job(asked, control):
        seen.append(control.elapsed())
        yield say.Done(result={"text": ""})

    monkeypatch.setattr(cli, "process_started", lambda: 0.0)
    run_with(monkeypatch, job)
    assert seen[0] > 0


def test_json_is_the_events_and_nothing_else():
    code = (
        "from napari_densify.cli import run as cli\n"
        "from napari_densify.core import events as say\n"
        "from napari_densify.core.requests import InfoRequest\n"
        "import os\n"
        "def job(asked, control):\n"
        "    print('noise'); os.system('echo noise')\n"
        "    yield say.Notice(message='größe')\n"
        "    yield say.Done(result={'a': 1})\n"
        "cli.guarded.__kwdefaults__['run'] = job\n"
        "raise SystemExit(cli.run(lambda: InfoRequest(image='i'), None, as_json=True))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [line["kind"] for line in lines] == ["started", "notice", "done"]
    assert lines[1]["message"] == "größe"
    assert done.stderr.decode().split() == ["noise", "noise"]


def show(*events, terminal=False):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, color_system=None)
    with Display(lambda console, result: console.print("result"), console=console) as display:
        for event in events:
            display.show(event)
    return stream.getvalue()


def test_plain_lines_without_a_terminal():
    text = show(
        say.Plan(explanation="U-Net [3D]"),
        say.StepDone(step=7, loss=0.5, learning_rate=0.1, elapsed_s=1),
        say.Progress(done=1, total=4, unit="training", eta_s=75),
        say.Progress(done=2, total=4, unit="training", eta_s=50),
        say.Progress(done=4, total=4, unit="training", eta_s=0),
        say.HeldOutScore(step=7, elapsed_s=1, dice={1: 0.9, 2: 0.7}, mean_dice=0.8),
        say.Notice(level="warning", message="memory is short"),
        say.ModelSaved(path="m.safetensors", steps=7, elapsed_s=61),
        say.Done(),
    )
    assert text.splitlines() == [
        "U-Net [3D]",
        " 25 %  training, step 7, loss 0.500  1 min 15 s left",
        "100 %  training, step 7, loss 0.500  0 s left",
        "held-out Dice 0.800 (too little paint for an interval; 1: 0.900, 2: 0.700) at step 7",
        "warning: memory is short",
        "model saved after 7 steps, 1 min 1 s: m.safetensors",
        "result",
    ]


def test_bar_with_eta_on_a_terminal():
    text = show(say.Progress(done=1, total=4, unit="training", eta_s=75), terminal=True)
    assert "25%" in text
    assert "1 min 15 s left" in text
