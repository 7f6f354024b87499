"""The engine's pipes: private copies of stdin and stdout that no library can disturb."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

from napari_densify.core.events import Event, dump_event

__all__ = ["Channel", "claim_stdin", "private_stdout"]


class Channel:
    """Writes events, one UTF-8 JSON object a line; may be used from several threads.

    Parameters
    ----------
    stream
        Binary stream that nobody else writes to.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, event: Event) -> None:
        """Write one event at once.

        Raises
        ------
        BrokenPipeError
            If the reader has gone.
        """
        line = dump_event(event)
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


@contextlib.contextmanager
def private_stdout() -> Iterator[BinaryIO]:
    """Keep stdout for the protocol and send everything else that is printed to stderr.

    The descriptor is duplicated and descriptor 1 pointed at stderr, so that
    neither a Python ``print`` nor one from a C library gets into the protocol.
    """
    before = sys.stdout
    before.flush()
    private = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    for stream in (sys.stderr, before):
        # A message with characters that the terminal cannot show must not end a job, and
        # none may wait in a buffer until descriptor 1 is the protocol's again.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(  # type: ignore[union-attr]
                errors="backslashreplace", line_buffering=True
            )
    try:
        with os.fdopen(private, "wb", buffering=0, closefd=False) as stream:
            yield stream
    finally:
        os.dup2(private, 1)
        os.close(private)
        sys.stdout = before


def claim_stdin() -> BinaryIO:
    """Keep stdin for the protocol; libraries and child processes find an empty one."""
    private = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return os.fdopen(private, "rb")
