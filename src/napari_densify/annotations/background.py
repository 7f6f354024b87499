"""A thread that writes soon after something changed, and goes on trying."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["BackgroundWriter", "tell"]

_log = logging.getLogger(__name__)

_RETRY_S = 1.0


class BackgroundWriter:
    """Calls ``write`` at most ``interval_s`` after :meth:`notify`, never on the caller's thread.

    Parameters
    ----------
    write
        Writes everything that is unsaved; raises if it can't.
    interval_s
        Changes that come within this time are written together.
    on_error
        Told of the first failure in a row (on the thread of this writer).
    on_recovered
        Told when writing works again.
    """

    def __init__(
        self,
        write: Callable[[], None],
        *,
        interval_s: float,
        on_error: Callable[[Exception], None],
        on_recovered: Callable[[], None],
    ) -> None:
        self._write = write
        self._interval_s = interval_s
        self._on_error = on_error
        self._on_recovered = on_recovered
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._failing = False
        self._since = 0.0
        self._thread = threading.Thread(target=self._run, name="densify-writer", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Say that there is something to write."""
        if not self._changed.is_set():
            self._since = time.monotonic()
            self._changed.set()

    def stop(self) -> None:
        """End the thread; what is unsaved stays so."""
        self._stopped.set()
        self._changed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._changed.wait()
            left = self._since + self._interval_s - time.monotonic()
            if self._stopped.wait(_RETRY_S if self._failing else max(0.0, left)):
                return
            self._changed.clear()
            self._attempt()

    def _attempt(self) -> None:
        try:
            self._write()
        except Exception as error:
            self._changed.set()
            if not self._failing:
                self._failing = True
                tell(self._on_error, error)
            return
        if self._failing:
            self._failing = False
            tell(self._on_recovered)


def tell(callback: Callable[..., None], *arguments: Any) -> None:
    """Call a listener; its own failure is logged and never taken for a failure to write."""
    try:
        callback(*arguments)
    except Exception:
        _log.exception("a listener of the annotations failed")
