"""Everything that reaches the engine comes through one queue, filled by one thread."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import BinaryIO

__all__ = ["GRACE_S", "Inbox"]

GRACE_S = 1.2
"""Time that the engine has to save its work once its stdin has ended."""


class Inbox:
    """Lines of a pipe, read by a thread because pipes can't be polled on Windows.

    After the end of the stream the engine has ``GRACE_S`` to come to an end by
    itself; then the process is ended from the reading thread, in mid-step too, so
    that a viewer that died leaves no orphan holding the GPU.

    Parameters
    ----------
    stream
        Where the lines come from.
    grace_s
        Seconds between the end of the stream and the end of the process.
    end
        What ends the process; replaced in tests.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        grace_s: float = GRACE_S,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stream = stream
        self._grace_s = grace_s
        self._end = end
        self._finished = threading.Event()
        threading.Thread(target=self._read, name="densify-reader", daemon=True).start()

    def _read(self) -> None:
        try:
            for line in self._stream:
                if line.strip():
                    self._lines.put(line)
        except (OSError, ValueError):
            pass  # the pipe broke: the same as its end
        self._lines.put(None)
        if not self._finished.wait(self._grace_s):
            self._end(0)

    def next(self, timeout_s: float | None = None) -> bytes | None:
        """Wait for a line; None is the end of the stream.

        Raises
        ------
        TimeoutError
            If nothing has come for so long.
        """
        try:
            return self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None

    def poll(self) -> list[bytes | None]:
        """Lines that have come since, without waiting."""
        lines: list[bytes | None] = []
        while True:
            try:
                lines.append(self._lines.get_nowait())
            except queue.Empty:
                return lines

    def close(self) -> None:
        """Tell that the engine has come to its end by itself."""
        self._finished.set()
