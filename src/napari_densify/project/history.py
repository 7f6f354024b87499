"""``history.jsonl``: every step done with its settings, one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from napari_densify import __version__
from napari_densify.core.errors import InputError

__all__ = ["append_step", "read_steps"]

_ATOMIC_APPEND = os.name == "posix"  # Windows seeks to the end, then writes
_WAIT_S = 10.0


def append_step(path: Path, step: str, settings: Mapping[str, Any]) -> None:
    """Add a step; safe from several processes at once, one line is one write.

    Raises
    ------
    InputError
        If there is no room or no permission.
    """
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "step": step,
        "version": __version__,
        "settings": dict(settings),
    }
    line = json.dumps(entry, ensure_ascii=False, default=str).encode() + b"\n"
    try:
        with _alone(path), path.open("ab", buffering=0) as stream:
            stream.write(line if _ends_a_line(path) else b"\n" + line)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})", where=str(path)
        ) from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process append at a time, where two would write over each other."""
    if _ATOMIC_APPEND:
        yield
        return
    with FileLock(path.with_name(f".{path.name}.lock"), timeout=_WAIT_S):
        yield


def read_steps(path: Path) -> list[dict[str, Any]]:
    """Read the steps in the order done; a line that a kill tore is left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    steps = (_parse(line) for line in lines)
    return [step for step in steps if step is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("step"), str) else None


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as stream:
        if stream.seek(0, 2) == 0:
            return True
        stream.seek(-1, 2)
        return stream.read() == b"\n"
