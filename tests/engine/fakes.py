"""An engine whose jobs do what the tests need: print, take long, fail, end."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, Log, Notice, Progress
from napari_densify.core.requests import ClassicalRequest


def fake_job(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    yield from _KINDS[request.method](request, control)


def _noisy(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    print("print from Python")
    sys.__stdout__.write("past sys.stdout\n")
    os.write(1, b"to descriptor 1\n")
    os.system("echo from a child process")
    if sys.platform != "win32":
        libc = ctypes.CDLL(None)
        libc.printf(b"from C\n")
        libc.fflush(None)
    yield Log(message="größer als µ")
    yield Done(result={"method": request.method})


def _counting(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    """Steps until stopped; each says what the mailbox holds."""
    for step in range(1, 100_000):
        if control.stop:
            yield Done(result={"steps": step}, stopped=True)
            return
        view = None if control.view is None else [s.start for s in control.view]
        yield Notice(message=f"{view} {control.view_generation} {len(control.take_changed())}")
        yield Progress(done=step, total=100_000)


def _stuck(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    """One step that never ends."""
    yield Progress(done=0, total=1)
    time.sleep(600)


def _refused(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    raise InputError("no paint", where="labels.tif", mend="paint")
    yield Done()


def _broken(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    yield Progress(done=0, total=1)
    raise RuntimeError("boom\nsecond line")


def _unserialisable(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    import numpy as np

    yield Done(result={"array": np.arange(2), "nan": float("nan"), "odd": object()})


def _reads_input(request: ClassicalRequest, control: JobControl) -> Iterator[Event]:
    yield Done(result={"read": sys.stdin.read()})


_KINDS = {
    "noisy": _noisy,
    "counting": _counting,
    "stuck": _stuck,
    "refused": _refused,
    "broken": _broken,
    "unserialisable": _unserialisable,
    "reads-input": _reads_input,
}

if __name__ == "__main__":
    from napari_densify.engine.process import main

    main(light=True, run=fake_job)
