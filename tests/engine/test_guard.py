from __future__ import annotations

import errno

import pytest

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError, Interrupted
from napari_densify.core.events import Done, Failed, Log
from napari_densify.core.requests import InfoRequest
from napari_densify.engine import guarded

REQUEST = InfoRequest(job="j7", image="a.tif")


def end_of(job, control=None):
    events = list(guarded(REQUEST, control or JobControl(), run=job))
    assert events[0].kind == "started"
    assert {e.job for e in events} == {"j7"}
    assert sum(isinstance(e, Done | Failed) for e in events) == 1
    return events[-1]


def raising(error):
    def job(request, control):
        yield Log(job="wrong", message="so far")
        raise error

    return job


def test_done_ends_the_job():
    closed = []

    def job(request, control):
        try:
            yield Done(result={"a": 1})
            yield Log(message="too late")
        finally:
            closed.append(True)

    assert end_of(job).result == {"a": 1}
    assert closed


def test_job_without_an_end_gets_one():
    control = JobControl(stop=True)
    assert end_of(lambda r, c: iter([Log(message="x")]), control).stopped


def test_interruption_is_no_failure():
    assert end_of(raising(Interrupted("enough"))).stopped


@pytest.mark.parametrize(
    ("error", "fault", "words"),
    [
        (InputError("no paint", where="l.tif"), False, "l.tif: no paint"),
        (OSError(errno.ENOSPC, "No space left", "/out/m"), False, "/out/m: No space left"),
        (PermissionError(errno.EACCES, "Denied", "x.tif"), False, "x.tif: Denied"),
        (OSError(errno.EIO, "I/O error"), True, "I/O error"),
        (MemoryError("want 3 GiB"), False, "not enough memory (want 3 GiB)"),
        (ValueError("first\nsecond"), True, "ValueError: first"),
        (AssertionError(), True, "AssertionError"),
    ],
)
def test_failures(error, fault, words):
    failed = end_of(raising(error))
    assert failed.fault is fault
    assert words in failed.message
    assert "\n" not in failed.message
    assert bool(failed.traceback) is fault
