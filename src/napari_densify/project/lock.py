"""One writer at a time: the lock of a project folder.

It is a lock of the operating system on a file, so it ends with the process that
holds it, however that dies; no stale lock has to be guessed at.
"""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from napari_densify.core.files import atomic_write_json

__all__ = ["ProjectLock"]


class ProjectLock:
    """Exclusive right to change a project.

    Parameters
    ----------
    folder
        Project folder.

    Attributes
    ----------
    refusal
        Why the right is not held; empty if it is.
    """

    def __init__(self, folder: Path) -> None:
        self._holder = folder / ".lock-holder.json"
        self._lock: BaseFileLock | None = None
        self.refusal = ""
        file = folder / ".lock"
        try:
            self._lock = _acquire(file)
            self._sign()
        except Timeout:
            self.refusal = f"open in {self._who()}: this one can only look at it"
        except OSError as error:
            self.release()
            self.refusal = f"cannot be written ({error.strerror or error}): it is shown only"

    @property
    def held(self) -> bool:
        """Whether this process may change the project."""
        return self._lock is not None

    def release(self) -> None:
        """Let the next one in."""
        if self._lock is not None:
            self._holder.unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def _sign(self) -> None:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": platform.node(), "since": since}
        atomic_write_json(self._holder, holder)

    def _who(self) -> str:
        try:
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
            return f"another viewer (process {holder['pid']} on {holder['host']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another viewer"


def _acquire(file: Path) -> BaseFileLock:
    # Not thread-local: whichever thread closes the project releases it.
    lock: BaseFileLock = FileLock(file, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except NotImplementedError:  # a network drive without locks
        lock = SoftFileLock(file.with_suffix(".soft"), timeout=0, thread_local=False)
        lock.acquire()
    return lock
