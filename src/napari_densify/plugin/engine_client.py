"""The viewer's end of the engine process: starts it, asks it, hears it, survives it.

Nothing here blocks: writes are queued until the process runs, events arrive as Qt
signals, and a process that dies fails its jobs with one clear line. The next
request starts a new one.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from typing import Any

from pydantic import ValidationError
from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from napari_densify.core.events import Event, Failed, Ready, parse_event
from napari_densify.core.requests import JobRequest, Rest, Shutdown
from napari_densify.plugin.engine_link import EngineLink, engine_command

__all__ = ["EngineClient", "engine_command"]

logger = logging.getLogger("napari_densify.engine")

GRACE_MS = 3000
"""How long an engine whose input was closed may take to end before it is killed."""


class _Process(QObject):
    """One run of the engine: whole lines out, whole lines in, one `ended` at most."""

    line = Signal(bytes)
    ended = Signal(str)

    def __init__(self, command: list[str], parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: list[bytes] = []
        self._partial = b""
        self._lines: deque[bytes] = deque()
        self._handing_on = False
        self._errors: deque[str] = deque(maxlen=40)
        self._over = False
        self._closing = False
        self.process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")
        environment.insert("PYTHONUTF8", "1")
        self.process.setProcessEnvironment(environment)
        self.process.readyReadStandardOutput.connect(self._read)
        self.process.readyReadStandardError.connect(self._read_errors)
        self.process.started.connect(self._flush)
        self.process.finished.connect(self._finished)
        self.process.errorOccurred.connect(self._failed)
        self.process.start(command[0], command[1:])

    @property
    def pid(self) -> int:
        return int(self.process.processId())

    def write(self, line: bytes) -> None:
        self._waiting.append(line)
        self._flush()

    def _flush(self) -> None:
        if self.process.state() == QProcess.ProcessState.Running and self._waiting:
            self.process.write(b"".join(self._waiting))
            self._waiting.clear()

    def _read(self) -> None:
        lines = (self._partial + bytes(self.process.readAllStandardOutput())).split(b"\n")
        self._partial = lines.pop()
        self._lines.extend(lines)
        if self._handing_on:
            return  # a listener is processing Qt events: keep the order
        self._handing_on = True
        try:
            while self._lines:
                self.line.emit(self._lines.popleft())
        finally:
            self._handing_on = False

    def _read_errors(self) -> None:
        text = bytes(self.process.readAllStandardError()).decode("utf-8", "replace")
        for line in filter(str.strip, text.splitlines()):
            self._errors.append(line)
            logger.debug("engine: %s", line)

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(f"the engine could not be started: {self.process.errorString()}")

    def _finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read()
        self._read_errors()
        if status == QProcess.ExitStatus.CrashExit:
            what = f"the engine was killed or crashed (signal {code})"
        else:
            what = f"the engine ended by itself (exit code {code})"
        last = f": {self._errors[-1]}" if self._errors and code else ""
        self._end(what + last)

    def _end(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self.ended.emit(reason)

    def close(self) -> None:
        """Close its input, and kill it if it has not ended a little later."""
        if self._over or self._closing:
            return
        self._closing = True
        self._flush()
        self.process.closeWriteChannel()
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.timeout.connect(self.process.kill)
        timer.start(GRACE_MS)

    def close_and_wait(self) -> None:
        """As `close`, but wait for the end: only for the viewer's own exit."""
        self.close()
        if self.process.state() != QProcess.ProcessState.NotRunning and (
            not self.process.waitForFinished(GRACE_MS)
        ):
            self.process.kill()
            self.process.waitForFinished(1000)


class EngineClient(QObject):
    """Talks to the engine process, which it starts when first asked something.

    Parameters
    ----------
    command
        Program and arguments of the engine; this Python's by default.

    Notes
    -----
    Every job gets an identifier that no earlier process can know, so what a failed
    start or a killed process left in a pipe never reaches the jobs of its successor.
    """

    heard = Signal(object)
    """A `core.events.Event` of the engine or of a job under way."""
    state_changed = Signal(str)
    """``off``, ``starting`` or ``ready``."""

    def __init__(self, command: list[str] | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.link = EngineLink()
        self.command = command or self.link.command
        self.state = "off"
        self.device = ""
        self._current: _Process | None = None
        self._jobs: set[str] = set()
        self._generation = 0
        self._numbers = itertools.count(1)

    @property
    def pid(self) -> int:
        """Process id of the engine; 0 if none runs."""
        return self._current.pid if self._current else 0

    def start(self) -> None:
        """Start the engine if it does not run."""
        if self._current is not None:
            return
        self._generation += 1
        run = _Process(self.command, self)
        self._current = run
        run.line.connect(lambda line: self._hear(run, line))
        run.ended.connect(lambda reason: self._ended(run, reason))
        self._set_state("starting")

    def use(self, link: EngineLink) -> None:
        """Run the engine elsewhere from now on; the one that runs is ended.

        Raises
        ------
        InputError
            If the link's command cannot be read.
        """
        command = link.command
        if (command, link) != (self.command, self.link):
            self.free()
            self.command, self.link = command, link

    def submit(self, request: JobRequest) -> str:
        """Send a job; return the identifier that its events will carry."""
        self.start()
        job = f"{request.kind}-{self._generation}-{next(self._numbers)}"
        self._jobs.add(job)
        self._write(request.model_copy(update={"job": job}))
        return job

    def tell(self, message: Any) -> None:
        """Send a message about the job under way; nothing happens if no engine runs."""
        if self._current is not None:
            self._write(message)

    def free(self) -> None:
        """End the engine, which gives back all its memory; jobs under way are stopped."""
        if self._current is None:
            return
        run = self._current
        run.write(Shutdown().model_dump_json().encode() + b"\n")
        run.close()
        self._forget(run, "the engine was ended to free its memory")

    def close(self) -> None:
        """End the engine and wait for it: for the viewer's own exit."""
        if self._current is not None:
            run = self._current
            self._forget(run, "")
            run.close_and_wait()

    def _write(self, message: Any) -> None:
        assert self._current is not None
        self._current.write(self.link.to_engine(message.model_dump_json().encode() + b"\n"))

    def _hear(self, run: _Process, line: bytes) -> None:
        if run is not self._current or not line.strip():
            return
        try:
            event = parse_event(self.link.to_viewer(line))
        except ValidationError:
            logger.warning("engine printed: %s", line[:500].decode("utf-8", "replace"))
            return
        self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.device = event.device
            self._set_state("ready")
            self.tell(Rest(minutes=self.link.rest_minutes))
        elif event.job and event.job not in self._jobs:
            return
        if event.kind in ("done", "failed"):
            self._jobs.discard(event.job)
        if isinstance(event, Failed) and event.again and self._current is not None:
            run = self._current  # its device is lost: the next job gets a new process
            self._forget(run, "")
            run.close()
        self.heard.emit(event)

    def _ended(self, run: _Process, reason: str) -> None:
        if run is self._current:
            self._forget(run, reason, again=True)
        run.deleteLater()

    def _forget(self, run: _Process, reason: str, *, again: bool = False) -> None:
        """Take no more from this process; its jobs have failed."""
        self._current = None
        jobs, self._jobs = sorted(self._jobs), set()
        self.device = ""
        self._set_state("off")
        for job in jobs if reason else ():
            self.heard.emit(Failed(job=job, message=reason, fault=True, again=again))

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.state_changed.emit(state)
