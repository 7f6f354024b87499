from __future__ import annotations

import json
import sys

import pytest

from napari_densify.engine import checks as look
from napari_densify.engine.jobs import doctor


@pytest.mark.parametrize(
    ("name", "version", "bad"),
    [
        ("torch", "2.9.0+cu128", True),
        ("torch", "2.9.1", True),
        ("torch", "2.13.0", False),
        ("torch", "2.90.0", False),
        ("napari", "2.9.0", False),
    ],
)
def test_known_faults_of_versions(name, version, bad):
    fault = look.known_fault(name, version)
    assert (fault is not None) is bad
    if fault:
        assert "pip install" in fault[1]


@pytest.mark.parametrize(
    ("version", "status"),
    [(90701, "ok"), (90800, "bad"), (91002, "bad"), (91100, "ok"), (8902, None)],
)
def test_cudnn_versions(version, status):
    check = look.check_cudnn(version)
    assert check is not None
    if status:
        assert check.status == status
    assert bool(check.fix) is (check.status == "bad")


def test_no_cudnn_is_no_finding():
    assert look.check_cudnn(None) is None


def test_cudnn_version_is_readable():
    check = look.check_cudnn(91002)
    assert check is not None
    assert check.found.startswith("9.10.2")


def test_packages_are_found_with_their_versions():
    found = {check.name: check for check in look.check_packages()}
    assert found["torch"].status == "ok"
    assert found["Qt"].found.startswith(("PyQt", "PySide"))


def test_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(look, "_importable", lambda module: module != "h5py")
    (check,) = look.check_optional()
    assert check.name == "h5py"
    assert check.fix == 'python -m pip install "napari-densify[hdf5]"'


def _row(precision="float32", direction="forward", correct=True):
    return json.dumps(
        {
            "precision": precision,
            "direction": direction,
            "gflops": 12.5,
            "error": 1e-6,
            "correct": correct,
        }
    )


def _program(*lines, then="pass"):
    prints = ";".join(f"print({line!r}, flush=True)" for line in lines)
    return [sys.executable, "-c", f"{prints};{then}" if prints else then]


def test_convolution_that_is_right():
    checks, rows = look.check_convolution("cpu", command=_program(_row()))
    assert [c.status for c in checks] == ["ok"]
    assert rows[0]["gflops"] == 12.5


def test_convolution_that_is_wrong():
    (check,), _ = look.check_convolution("cpu", command=_program(_row("bf16", correct=False)))
    assert check.status == "bad"
    assert "precision=float32" in check.fix


def test_crash_says_how_far_it_came():
    program = _program(
        _row("bf16", "forward"), then="import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    checks, rows = look.check_convolution("cpu", command=program)
    assert len(rows) == 1
    assert checks[-1].status == "bad"
    assert "after bf16 forward" in checks[-1].found


def test_failure_shows_its_last_line():
    checks, rows = look.check_convolution("cpu", command=_program(then="raise OSError('no GPU')"))
    assert rows == []
    assert checks[-1].found.endswith("OSError: no GPU")


def test_hanging_test_is_ended():
    program = _program(_row(), then="import time; time.sleep(600)")
    checks, rows = look.check_convolution("cpu", command=program, timeout_s=2)
    assert "did not finish" in checks[-1].found
    assert len(rows) == 1


def test_torch_that_does_not_load_is_a_finding(monkeypatch):
    monkeypatch.setitem(sys.modules, "napari_densify.inference.device", None)
    found: list[look.Check] = []
    assert doctor._devices(found) == []
    assert found[0].name == "torch"
    assert found[0].fix
