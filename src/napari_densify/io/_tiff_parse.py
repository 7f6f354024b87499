"""Parse a TIFF, and refuse what tifffile would silently shorten."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tifffile import TiffFile

from napari_densify.core.errors import InputError
from napari_densify.io._guard import guarded

__all__ = ["COPY_AGAIN", "parse_tiff"]

COPY_AGAIN = "copy or export it again"
_DAMAGE = (
    "invalid page offset",
    "invalid offset to",
    "corrupted tag list",
    "circular reference",
)


class _DamageLog(logging.Handler):
    """Collects what tifffile only logs: a page chain that breaks off."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.thread == self._thread and any(d in message for d in _DAMAGE):
            self.found.append(message)


@contextmanager
def _damage_log() -> Iterator[list[str]]:
    log, logger = _DamageLog(), logging.getLogger("tifffile")
    logger.addHandler(log)
    try:
        yield log.found
    finally:
        logger.removeHandler(log)


def parse_tiff(path: str) -> TiffFile:
    """Open a TIFF.

    Raises
    ------
    InputError
        If it is none, holds no image, or its chain of pages breaks off.
    """
    with guarded(path, "cannot be read as TIFF"), _damage_log() as damage:
        tif = TiffFile(path)
        try:
            # Walks the chain of pages first: a circular one would keep .series for ever.
            pages = len(tif.pages)
            found = [] if damage else tif.series
            if damage:
                raise InputError(
                    f"the file is cut off or damaged after page {pages}", mend=COPY_AGAIN
                )
            if not found:
                raise InputError("holds no image")
        except BaseException:
            tif.close()
            raise
        return tif
