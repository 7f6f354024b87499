"""Commands in processes of their own: what they say, how long they take, what they hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Finished", "densify", "run"]

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Finished:
    """A command that succeeded."""

    text: str
    seconds: float
    peak_gb: float

    @property
    def events(self) -> list[dict]:
        """The JSON objects among its lines."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]


def run(words: list[str]) -> Finished:
    """Run a command from the repository's root.

    Raises
    ------
    RuntimeError
        With the end of what it said, if it fails.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        path = os.pathsep.join(p for p in (str(_ROOT), os.environ.get("PYTHONPATH")) if p)
        started = subprocess.Popen(
            words, stdout=out, stderr=err, cwd=_ROOT, env=os.environ | {"PYTHONPATH": path}
        )
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        out.seek(0), err.seek(0)
        if started.returncode:
            raise RuntimeError(f"{' '.join(words)}: {err.read().strip()[-2000:]}")
        return Finished(out.read(), seconds, used.ru_maxrss / 2**20)


def densify(*words: str) -> Finished:
    """Run the command line that users have, with its events as JSON."""
    script = Path(sys.executable).with_name("densify")
    return run([str(script), *words, "--json"])
