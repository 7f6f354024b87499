from __future__ import annotations

import subprocess
import sys

import pytest
from filelock import FileLock

from napari_densify.project.lock import ProjectLock

HOLD = """
import sys
from pathlib import Path
from napari_densify.project.lock import ProjectLock
lock = ProjectLock(Path(sys.argv[1]))
print("held" if lock.held else "refused", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_refused_and_told_who_holds_it(tmp_path, holder):
    lock = ProjectLock(tmp_path)
    assert not lock.held
    assert f"process {holder.pid}" in lock.refusal


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / ".lock-holder.json").exists(), "it had no time to clean up"
    lock = ProjectLock(tmp_path)
    assert lock.held
    assert not lock.refusal
    lock.release()


def test_release_lets_the_next_one_in(tmp_path):
    first = ProjectLock(tmp_path)
    assert not ProjectLock(tmp_path).held
    first.release()
    first.release()
    assert ProjectLock(tmp_path).held


def test_a_damaged_note_of_the_holder_is_no_obstacle(tmp_path, holder):
    (tmp_path / ".lock-holder.json").write_text("{")
    assert "another viewer" in ProjectLock(tmp_path).refusal


def test_a_folder_that_cannot_be_written_is_only_shown(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.BaseFileLock.acquire", refuse)
    lock = ProjectLock(tmp_path)
    assert not lock.held
    assert lock.refusal == "cannot be written (Permission denied): it is shown only"


def test_drives_without_locks_get_a_lock_file(tmp_path, monkeypatch):
    def missing(self):
        raise NotImplementedError("flock is not supported here")

    monkeypatch.setattr(FileLock, "_acquire", missing)
    first = ProjectLock(tmp_path)
    assert first.held
    assert not ProjectLock(tmp_path).held
    first.release()
    last = ProjectLock(tmp_path)
    assert last.held
    last.release()
