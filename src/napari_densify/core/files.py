"""Files that are either old or new, never half: write aside, sync, rename."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psutil

from napari_densify.core.errors import InputError
from napari_densify.core.sizes import say_bytes

__all__ = [
    "atomic_write_bytes",
    "atomic_write_json",
    "read_replaced",
    "remove_tree",
    "replace",
    "require_room",
    "retried",
    "temporary_beside",
]

T = TypeVar("T")
_RETRIES = 20
_PAUSE_S = 0.05
_HOST = re.sub(r"\W", "", platform.node())[:32]


def replace(source: Path, target: Path) -> None:
    """Rename ``source`` over ``target``, retrying while a reader holds it (Windows).

    Raises
    ------
    PermissionError
        If the target is still held after about a second.
    """
    retried(lambda: os.replace(source, target))


def read_replaced(path: Path) -> bytes:
    """Read a file that another process may be replacing, with retries (Windows).

    Raises
    ------
    OSError
        If it cannot be read.
    """
    return retried(path.read_bytes)


def retried(act: Callable[[], T], *, pause_s: float = _PAUSE_S) -> T:
    """Try again while another process holds the file (Windows refuses it then).

    Parameters
    ----------
    act
        What reads or writes it.
    pause_s
        Seconds between two of the at most twenty times.

    Raises
    ------
    PermissionError
        If it is held all the time.
    """
    for _ in range(_RETRIES - 1):
        try:
            return act()
        except PermissionError:
            time.sleep(pause_s)
    return act()


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a kill at any moment leaves the old one or the new one.

    Raises
    ------
    OSError
        If there is no room or no permission; the old file is then untouched.
    """
    path = Path(path)
    # Not mkstemp: its files are for the owner alone, and projects are shared.
    temporary = _temporary_name(path)
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def temporary_beside(path: Path) -> Path:
    """Name a file to be written beside ``path`` and renamed over it once it is complete.

    What processes that were killed on this machine have left of earlier attempts is deleted.
    """
    path = Path(path)
    own = re.compile(re.escape(f".{path.name}.{_HOST}-") + r"(\d+)\.[0-9a-f]+\.tmp")
    for found in path.parent.iterdir():
        named = own.fullmatch(found.name)
        if named and not psutil.pid_exists(int(named[1])):
            found.unlink(missing_ok=True)
    return _temporary_name(path)


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{_HOST}-{os.getpid()}.{uuid4().hex[:8]}.tmp")


def atomic_write_json(path: Path, content: Any) -> None:
    """Write JSON (indented, UTF-8) like :func:`atomic_write_bytes`."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    atomic_write_bytes(path, (text + "\n").encode())


def remove_tree(path: Path) -> None:
    """Delete a folder by first renaming it, so that no half-deleted one keeps its name."""
    path = Path(path)
    if not path.exists():
        return
    doomed = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.")) / "old"
    replace(path, doomed)
    shutil.rmtree(doomed.parent, ignore_errors=True)


def require_room(folder: Path, nbytes: int, *, what: str) -> None:
    """Refuse to begin what the disk has no room for.

    Raises
    ------
    InputError
        If fewer than ``nbytes`` are free in ``folder``.
    """
    free = shutil.disk_usage(folder).free
    if free < nbytes:
        raise InputError(
            f"needs {say_bytes(nbytes)}, {say_bytes(free)} are free",
            where=what,
            mend="free some room, or write elsewhere",
        )
