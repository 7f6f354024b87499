"""Where the time of a prediction goes, stage by stage."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Literal, get_args

__all__ = ["STAGES", "Stage", "Stopwatch"]

Stage = Literal["read", "normalise", "features", "copy", "network", "forest", "blend", "write"]
"""In the order in which a block goes through them."""

STAGES: tuple[Stage, ...] = get_args(Stage)


class Stopwatch:
    """Adds up seconds by stage; several threads may use it at once.

    Stages of different threads overlap, so their sum may exceed the wall time.
    """

    def __init__(self) -> None:
        self.seconds: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def __call__(self, stage: Stage) -> Iterator[None]:
        """Count the time of a ``with`` block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            with self._lock:
                self.seconds[stage] += spent
