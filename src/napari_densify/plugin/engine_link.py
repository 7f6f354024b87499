"""How the engine is reached: on this machine, or on another one that shares a folder with it."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from napari_densify.core.errors import InputError

__all__ = ["EngineLink", "engine_command"]

# A question for a password would never be seen, and a dead line must end some time.
_SSH_OPTIONS = ("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15")


def engine_command(prefix: str = "") -> list[str]:
    """Command line that starts the engine.

    Parameters
    ----------
    prefix
        Words put before ``-m napari_densify.engine`` in place of this Python, for
        example ``ssh box /envs/densify/bin/python``; empty: this Python. Quoted as in a
        shell; what ``ssh`` runs is read by the other machine's shell once more.

    Raises
    ------
    InputError
        If a quote is not closed.
    """
    try:
        words = shlex.split(prefix, posix=os.name != "nt") or [sys.executable]
    except ValueError as error:
        raise InputError(
            f"{prefix!r} cannot be read ({error})", where="engine command", mend="close the quote"
        ) from None
    if PurePath(words[0]).stem.lower() == "ssh":
        given = " ".join(words)
        names = [option for option in _SSH_OPTIONS if option.split("=")[0] not in given]
        words[1:1] = ["-T", *(word for option in names for word in ("-o", option))]
    return [*words, "-m", "napari_densify.engine"]


@dataclass(frozen=True)
class EngineLink:
    """Where the engine runs, and what the folder that both see is called there.

    Attributes
    ----------
    prefix
        See :func:`engine_command`.
    here, there
        The shared folder on this machine and on the engine's; empty if it has the
        same path on both.
    rest_minutes
        Time without anything to do after which it ends and frees its memory; 0: never.
    """

    prefix: str = ""
    here: str = ""
    there: str = ""
    rest_minutes: float = 15.0

    def __post_init__(self) -> None:
        """Refuse half of a pair of folders."""
        if bool(self.here) != bool(self.there):
            raise InputError(
                "one of the two folders is missing",
                where="shared folder",
                mend="give its path on both machines, or leave both empty if it is the same",
            )

    @property
    def command(self) -> list[str]:
        """Command line that starts the engine."""
        return engine_command(self.prefix)

    def to_engine(self, line: bytes) -> bytes:
        """Rewrite the paths of a request for the engine's machine."""
        return self._rewritten(line, self.here, self.there)

    def to_viewer(self, line: bytes) -> bytes:
        """Rewrite the paths of an event for this machine."""
        return self._rewritten(line, self.there, self.here)

    def _rewritten(self, line: bytes, old: str, new: str) -> bytes:
        if not old:
            return line
        try:
            content = json.loads(line)
        except ValueError:
            return line  # noise that a library printed
        moved = _walk(content, lambda text: _moved(text, old, new))
        return json.dumps(moved, ensure_ascii=False).encode() + b"\n"


def _walk(value: Any, change: Callable[[str], str]) -> Any:
    """Change every text of a JSON value; the names of its entries stay."""
    if isinstance(value, dict):
        return {name: _walk(entry, change) for name, entry in value.items()}
    if isinstance(value, list):
        return [_walk(entry, change) for entry in value]
    return change(value) if isinstance(value, str) else value


def _moved(text: str, old: str, new: str) -> str:
    """Return a path below a folder as a path below another; other texts unchanged."""
    plain, root = text.replace("\\", "/"), old.replace("\\", "/").rstrip("/")
    if plain != root and not plain.startswith(root + "/"):
        return text
    rest = plain[len(root) :]
    target = new.rstrip("/\\")
    return target + (rest.replace("/", "\\") if "\\" in new else rest)
