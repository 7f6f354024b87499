"""Ctrl-C at the installed program: once stops and saves, twice aborts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from napari_densify.core.model_file import read_spec

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


@pytest.fixture
def training(files):
    """A training of ten minutes, under way."""
    model = files.folder / "model.safetensors"
    words = [
        "train", files.image, "--annotations", files.paint, "-o", str(model), "--json",
        "--budget", "10m", "--set", "base_channels=4", "depth=2", "patch=4,32,32",
    ]  # fmt: skip
    program = Path(sys.executable).with_name("densify")
    process = subprocess.Popen(
        [program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while json.loads(process.stdout.readline())["kind"] != "step":
        pass
    yield process, model
    process.kill()
    process.communicate()


def test_first_interrupt_saves_the_model(training):
    process, model = training
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    done = json.loads(out.splitlines()[-1])
    assert (done["kind"], done["stopped"]) == ("done", True)
    assert read_spec(model).training["steps"] >= 1
    assert "Traceback" not in err


def test_second_interrupt_aborts(training):
    process, model = training
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not list(model.parent.glob(".*.tmp"))
