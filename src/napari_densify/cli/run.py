"""Run a job on the command line: show its events, obey Ctrl-C, return the exit code."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from rich.console import Console

from napari_densify.cli.clock import process_started
from napari_densify.cli.display import Display
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event, Failed
from napari_densify.core.requests import JobRequest
from napari_densify.engine import guarded
from napari_densify.engine.channel import Channel, private_stdout

__all__ = ["DONE", "FAULT", "INPUT", "INTERRUPTED", "complain", "run"]

DONE, FAULT, INPUT, INTERRUPTED = 0, 1, 2, 130


def run(
    make_request: Callable[[], JobRequest],
    show_result: Callable[[Console, dict[str, Any]], None],
    *,
    as_json: bool = False,
) -> int:
    """Run one job to its end.

    Parameters
    ----------
    make_request
        Builds the request from the options; it may raise ``InputError``.
    show_result
        Shows the job's result to a person.
    as_json
        Print the events, one a line, and nothing else on stdout.

    Returns
    -------
    Exit code: 0 done, 2 bad input, 1 a fault of ours, 130 interrupted.
    """
    control = JobControl(started_monotonic=process_started())
    last: Event | None = None
    with interruptible(control) as interrupts, _showing(show_result, as_json) as show:
        for event in _events(make_request, control):
            show(event)
            last = event
    return _exit_code(last, interrupted=bool(interrupts))


def _events(make_request: Callable[[], JobRequest], control: JobControl) -> Iterator[Event]:
    try:
        request = make_request()
    except InputError as error:
        yield Failed(message=str(error), fault=False)
        return
    yield from guarded(request, control)


@contextlib.contextmanager
def _showing(
    show_result: Callable[[Console, dict[str, Any]], None], as_json: bool
) -> Iterator[Callable[[Event], None]]:
    if as_json:
        with private_stdout() as stdout:
            yield Channel(stdout).send
        return
    with Display(show_result) as display:
        yield display.show


@contextlib.contextmanager
def interruptible(control: JobControl) -> Iterator[list[int]]:
    """Let the first Ctrl-C (or SIGTERM, as batch systems send it) stop a job softly.

    A second one aborts. The list yielded holds the signals that came.
    """
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt
        control.stop = True
        print("stopping; what is done will be saved (again to abort)", file=sys.stderr)

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit_code(last: Event | None, *, interrupted: bool) -> int:
    if isinstance(last, Failed):
        complain(last.message, trace=last.traceback)
        return FAULT if last.fault else INPUT
    if interrupted or (isinstance(last, Done) and last.stopped):
        return INTERRUPTED
    return DONE


def complain(message: str, *, trace: str = "") -> None:
    """Say on stderr what went wrong: one line, after the traceback if it is our fault."""
    if trace:
        sys.stderr.write(trace)
        message = f"this is a fault of densify, please report it: {message}"
    sys.stderr.write(f"densify: {' '.join(message.split())}\n")
