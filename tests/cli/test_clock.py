from __future__ import annotations

import subprocess
import sys
import time

import pytest

from napari_densify.cli import clock


def test_start_of_a_process_is_before_its_imports():
    code = (
        "import time; time.sleep(0.3); from napari_densify.cli.clock import process_started;"
        "print(time.monotonic() - process_started())"
    )
    before = time.monotonic()
    age = float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    )
    assert age <= time.monotonic() - before + 0.05
    if sys.platform == "linux":
        assert age > 0.3


def test_without_proc_the_first_import_counts(monkeypatch):
    def fail() -> float:
        raise OSError("no /proc")

    monkeypatch.setattr(clock, "_age_from_proc", fail)
    assert clock.process_started() == clock._IMPORTED


@pytest.mark.parametrize("age", [1e9, -1e9])
def test_implausible_age_is_not_believed(monkeypatch, age):
    monkeypatch.setattr(clock, "_age_from_proc", lambda: age)
    assert clock.process_started() == clock._IMPORTED
