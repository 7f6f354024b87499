"""When this process began: a time budget counts from there."""

from __future__ import annotations

import os
import time

__all__ = ["process_started"]

_IMPORTED = time.monotonic()
# The interpreter needs well under this to come as far as our first import.
_PLAUSIBLE_S = 60.0


def process_started() -> float:
    """Return ``time.monotonic()`` at the start of this process.

    From ``/proc`` where there is one; elsewhere the time of the first import,
    which is a few tenths of a second late.
    """
    try:
        age = _age_from_proc()
    except (OSError, ValueError, IndexError, AttributeError):
        return _IMPORTED
    started = time.monotonic() - age
    return started if 0 <= _IMPORTED - started < _PLAUSIBLE_S else _IMPORTED


def _age_from_proc() -> float:
    with open("/proc/self/stat", "rb") as stream:
        # The command's name, in parentheses, may hold spaces; field 22 is the start.
        fields = stream.read().rpartition(b")")[2].split()
    ticks = int(fields[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
