from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from napari_densify.core.events import Event, parse_event

FAKES = Path(__file__).with_name("fakes.py")


class EngineUnderTest:
    """An engine process and the viewer's end of its pipes."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method: str, job: str = "a") -> None:
        self.send(
            f'{{"kind": "classical", "job": "{job}", "method": "{method}",'
            ' "image": "i", "output": "o"}'
        )

    def event(self) -> Event:
        """Next event; fails at the end of the output."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the engine has ended"
        return parse_event(line)

    def until(self, *kinds: str) -> list[Event]:
        """Events up to the first of one of these kinds."""
        events = [self.event()]
        while events[-1].kind not in kinds:
            events.append(self.event())
        return events

    def end(self) -> tuple[bytes, bytes]:
        """Close its input and wait for its end; the rest of its output."""
        return self.process.communicate(timeout=20)


@pytest.fixture
def start() -> Iterator[Callable[..., EngineUnderTest]]:
    """Starts engines; none outlives the test."""
    started: list[EngineUnderTest] = []

    def _start(*command: str) -> EngineUnderTest:
        started.append(EngineUnderTest(*command))
        return started[-1]

    yield _start
    for engine in started:
        engine.process.kill()
        engine.process.communicate()


@pytest.fixture
def engine(start: Callable[..., EngineUnderTest]) -> EngineUnderTest:
    """An engine with fake jobs that has said that it is ready."""
    engine = start(str(FAKES))
    assert engine.event().kind == "ready"
    return engine
