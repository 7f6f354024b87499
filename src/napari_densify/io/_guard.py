"""Turn whatever a file library raises into one line that names the file."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from napari_densify.core.errors import InputError

__all__ = ["guarded", "optional_import_error", "reason"]

_LONGEST = 200
# What parsers stumble with over damaged files; their texts help nobody.
_MEANINGLESS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    UnicodeError,
    json.JSONDecodeError,
    struct.error,
)


def reason(error: BaseException) -> str:
    """Say in one short line why something failed."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission"
    if isinstance(error, MemoryError):
        return "not enough memory for a piece of this size"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, _MEANINGLESS):
        return "damaged, or of another kind than its name says"
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


@contextmanager
def guarded(
    where: str, what: str = "cannot be read", *, mend: str = "check that the file is complete"
) -> Iterator[None]:
    """Raise an :class:`InputError` for any error inside: file libraries raise all sorts.

    Only calls into a file library belong inside, so that a fault of ours is not
    told to the user as a bad file; the original error stays as the cause.
    """
    try:
        yield
    except InputError as error:
        if error.where:
            raise
        raise InputError(error.what, where=where, mend=error.mend) from error
    except Exception as error:
        raise InputError(f"{what} ({reason(error)})", where=where, mend=mend) from error


def optional_import_error(where: str, library: str, extra: str) -> InputError:
    """Error for a format whose library is not installed."""
    return InputError(
        f"this format needs {library}, which is not installed",
        where=where,
        mend=f'run: pip install "napari-densify[{extra}]"',
    )
