"""The engine process: requests in on stdin, events out on stdout, one JSON object a line.

Jobs are generators. Between two of their yields the engine empties its inbox:
a new job is queued, what concerns the running one goes into its ``JobControl``,
and a paused job is simply not resumed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from napari_densify import __version__
from napari_densify.core import requests as ask
from napari_densify.core.blocks import region_of
from napari_densify.core.control import JobControl
from napari_densify.core.events import Done, Event, Failed, Notice, Ready
from napari_densify.engine.channel import Channel, claim_stdin, private_stdout
from napari_densify.engine.guard import guarded
from napari_densify.engine.inbox import Inbox
from napari_densify.engine.jobs import run_job

__all__ = ["Engine", "JobRunner", "main"]

JobRunner = Callable[[ask.JobRequest, JobControl], Iterator[Event]]

# Beside other work on a busy machine 10 left it a tenth of a core, and trainings learned nothing.
_NICENESS = 5


class Engine:
    """Runs jobs one after the other and listens between their yields.

    Parameters
    ----------
    inbox
        Lines of requests.
    send
        Where events go.
    run
        Turns a request into a generator of events.
    """

    def __init__(
        self, inbox: Inbox, send: Callable[[Event], None], *, run: JobRunner = run_job
    ) -> None:
        self._inbox = inbox
        self._send = send
        self._run = run
        self._queued: deque[ask.JobRequest] = deque()
        self._current: ask.JobRequest | None = None
        self._control = JobControl()
        self._view: ask.View | None = None
        self._paused = False
        self._closing = False
        self._rest_s: float | None = None

    def serve(self) -> None:
        """Work until the input ends or a shutdown is asked for."""
        while not self._closing:
            if self._queued:
                self._work(self._queued.popleft())
            else:
                self._rest()

    def _rest(self) -> None:
        """Wait for something to do; after a long time without it, end and free the memory."""
        try:
            self._hear(self._inbox.next(self._rest_s))
        except TimeoutError:
            self._send(Notice(message="the engine had nothing to do; its memory is free again"))
            self._close()

    def _work(self, request: ask.JobRequest) -> None:
        """Run one job to its end; nothing of it stays behind for the next one."""
        self._current, self._control, self._paused = request, JobControl(), False
        if self._view is not None:
            _look(self._control, self._view)
        try:
            for event in guarded(request, self._control, run=self._run):
                self._send(event)
                if isinstance(event, Failed) and event.again:
                    self._close()  # the device is lost to this process; another one may use it
                    break
                self._listen()
        finally:
            self._current, self._paused = None, False

    def _listen(self) -> None:
        """Take in what has come; while paused, wait for more."""
        for line in self._inbox.poll():
            self._hear(line)
        began = time.monotonic()
        while self._paused and not self._control.stop:
            self._hear(self._inbox.next())
        self._control.paused_s += time.monotonic() - began

    def _hear(self, line: bytes | None) -> None:
        if line is None:
            self._close()
            return
        try:
            message = ask.parse_request(line)
        except ValidationError as error:
            self._send(_malformed(line, error))
            return
        self._obey(message)

    def _obey(self, message: ask.Request) -> None:
        match message:
            case ask.Shutdown():
                self._close()
            case ask.Cancel():
                self._cancel(message.job)
            case ask.Pause():
                self._paused = self._current is not None
            case ask.Resume():
                self._paused = False
            case ask.Rest():
                self._rest_s = 60 * message.minutes or None
            case ask.View():
                self._view = message
                _look(self._control, message)
            case ask.StrokesChanged():
                self._control.changed.extend(region_of(bounds) for bounds in message.regions)
            case _:
                self._queued.append(message)

    def _close(self) -> None:
        self._closing = self._control.stop = True
        self._queued.clear()

    def _cancel(self, job: str) -> None:
        """Stop the named job, or all; one that still waits is dropped."""
        if self._current is not None and job in ("", self._current.job):
            self._control.stop = True
        for request in [r for r in self._queued if job in ("", r.job)]:
            self._queued.remove(request)
            self._send(Done(job=request.job, stopped=True))


def _look(control: JobControl, view: ask.View) -> None:
    control.view = None if view.region is None else region_of(view.region)
    control.view_generation = view.generation
    control.beside = tuple(map(region_of, view.beside))


def _malformed(line: bytes, error: ValidationError) -> Failed:
    """Answer to a line that is no request; it names the job if that can be read."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = f"request not understood: {place + ': ' if place else ''}{first['msg']}"
    return Failed(job=_job_of(line), message=message, fault=False)


def _job_of(line: bytes) -> str:
    try:
        content: Any = json.loads(line)
    except ValueError:
        return ""
    job = content.get("job", "") if isinstance(content, dict) else ""
    return job if isinstance(job, str) else ""


def lower_priority() -> None:
    """Let the viewer and everything else go first."""
    if sys.platform == "win32":
        import ctypes

        below_normal = 0x4000
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), below_normal)
    else:
        os.nice(_NICENESS)


def greet(*, light: bool) -> Iterator[Event]:
    """Say first that the engine is ready, and with which device."""
    if light:
        yield Ready(version=__version__, device="cpu")
        return
    try:
        from napari_densify.inference.device import (
            available_devices,
            describe_device,
            select_device,
        )

        device = describe_device(select_device())
        yield Ready(version=__version__, device=device, devices=tuple(available_devices()))
    except Exception as error:  # a broken torch must not take the rest along
        yield Ready(version=__version__, device="none")
        yield Notice(
            level="warning",
            message=f"networks can't be used: {error}; run `densify doctor` for the remedy",
        )


def main(*, light: bool = False, run: JobRunner = run_job) -> None:
    """Be the engine until stdin ends.

    Parameters
    ----------
    light
        Never load torch: the second worker, for previews of classical methods.
    run
        Turns requests into events; replaced in tests.
    """
    if hasattr(signal, "SIGINT"):
        # Ctrl-C in the viewer's terminal is for the viewer; the end of stdin is for us.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with private_stdout() as stdout:
        _serve(Channel(stdout), Inbox(claim_stdin()), light=light, run=run)
        sys.stderr.flush()
        # Threads of libraries must not hold up the end; everything of ours is on disk.
        os._exit(0)


def _serve(channel: Channel, inbox: Inbox, *, light: bool, run: JobRunner) -> None:
    lower_priority()
    try:
        for event in greet(light=light):
            channel.send(event)
        Engine(inbox, channel.send, run=run).serve()
    except BrokenPipeError:
        pass  # the viewer has gone
    finally:
        inbox.close()
