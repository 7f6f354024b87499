"""Errors that carry a remedy: what is wrong, where, and how to mend it."""

from __future__ import annotations

__all__ = ["DensifyError", "InputError", "Interrupted"]


class DensifyError(Exception):
    """Base class of every error that this package raises on purpose."""


class InputError(DensifyError):
    """Input that cannot be used, told in one line.

    Parameters
    ----------
    what
        What is wrong, without a final full stop.
    where
        File, layer or option concerned; empty if it is obvious.
    mend
        How the user can put it right, without a final full stop.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what = what
        self.where = where
        self.mend = mend
        head = f"{where}: {what}" if where else what
        super().__init__(f"{head}; {mend}" if mend else head)


class Interrupted(DensifyError):
    """The user stopped a job before there was anything to keep."""
