"""One process paints and saves while another reads: nothing is torn, nothing is lost.

Windows refuses to replace a file that is open elsewhere, and to open one that is being
replaced; there these tests show that both are tried again.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from napari_densify.core.files import atomic_write_bytes
from napari_densify.project import Project

SHAPE = (2, 512, 256)  # two chunks a slice
LIMIT_S = 60.0

PAINT = """
import sys, threading
from napari_densify.project import Project
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
count = 0
with Project.open(sys.argv[1]) as project:
    painted = project.painted()
    while not ended.is_set():
        count += 1
        painted[:, :, :] = 1 + count % 7
        painted.flush()
        project.set_held_out([0, 1], held_out=False)
        project.set_held_out([count % 2])
        project.log("train", {"count": count})
        if count == 1:
            print("ready", flush=True)
    painted.close()
print(count, flush=True)
"""

LOG = """
import sys
from napari_densify.project import Project, history
history._ATOMIC_APPEND = history._ATOMIC_APPEND and sys.argv[4] == "atomic"
project = Project.open(sys.argv[1], read_only=True)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    project.log("predict", {"who": sys.argv[2], "count": number, "padding": "x" * 300})
"""


def start(code, *words):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def ready(process):
    assert process.stdout.readline() == "ready\n"


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "zwei Prozesse.densify"
    Project.create(path, shape=SHAPE).close()
    return path


def test_a_reader_sees_whole_strokes_while_another_process_paints_and_saves(place):
    writer = start(PAINT, place)
    ready(writer)
    seen, end = set(), time.monotonic() + LIMIT_S
    while len(seen) < 5 and time.monotonic() < end:
        project = Project.open(place, read_only=True)
        labels = np.asarray(project.annotations().read(tuple(slice(0, n) for n in SHAPE)))
        for chunk in (labels[z, y : y + 256] for z in (0, 1) for y in (0, 256)):
            assert len(np.unique(chunk)) == 1
        counts = [step["settings"]["count"] for step in project.history()]
        assert counts == list(range(1, len(counts) + 1))
        assert len(project.held_out) < 2
        seen.add(int(labels[0, 0, 0]))
    assert len(seen) == 5, "the writer did not get on"
    said, _ = writer.communicate("")
    assert writer.returncode == 0
    with Project.open(place) as project:
        assert not project.read_only
        assert project.annotations().counts() == {1 + int(said) % 7: int(np.prod(SHAPE))}
        assert len(project.history()) == int(said)


@pytest.mark.parametrize("append", ["atomic", "locked"])
def test_steps_of_two_processes_are_all_in_the_history(place, append):
    count = 150
    writers = [start(LOG, place, who, count, append) for who in "ab"]
    for process in writers:
        ready(process)
    for process in writers:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in writers:
        process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0
    steps = [step["settings"] for step in Project.open(place, read_only=True).history()]
    for who in "ab":
        assert [s["count"] for s in steps if s["who"] == who] == list(range(count))


def test_a_file_that_is_open_elsewhere_is_replaced_when_it_is_let_go(tmp_path):
    path = tmp_path / "project.json"
    path.write_bytes(b"old")
    holder = start("import sys\nf = open(sys.argv[1], 'rb')\nprint('ready', flush=True)\n"
                   "sys.stdin.readline()", path)  # fmt: skip
    ready(holder)
    letting_go = threading.Timer(0.2, holder.communicate, ["go\n"])
    letting_go.start()
    atomic_write_bytes(path, b"new")
    letting_go.join()
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
