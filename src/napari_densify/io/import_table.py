"""What a user says that values, colours or categories become: a table, or ITEM=VALUE words."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_densify.core.errors import InputError
from napari_densify.core.labels import MAX_CLASSES

__all__ = ["Wish", "parse_wishes", "read_wishes"]

_MOST_BYTES = 2**20


@dataclass(frozen=True)
class Wish:
    """What one item of a file shall become.

    Attributes
    ----------
    item
        A value (``3``), a colour (``#c80000``), or a name.
    value
        Class, or 0 for unlabelled.
    name
        Of that class; empty to leave it.
    """

    item: str
    value: int
    name: str = ""


def parse_wishes(words: Iterable[str]) -> list[Wish]:
    """Read ``ITEM=VALUE`` or ``ITEM=VALUE:NAME``.

    Raises
    ------
    InputError
        If a word is something else.
    """
    wishes = []
    for word in words:
        item, found, rest = word.rpartition("=")
        value, _, name = rest.partition(":")
        if not found or not item:
            raise InputError(
                f"{word!r} is not ITEM=VALUE", where="--map", mend="for example #c80000=2:nucleus"
            )
        wishes.append(Wish(item.strip(), _value(value, "--map"), name.strip()))
    return wishes


def read_wishes(path: str | Path) -> list[Wish]:
    """Read a table with the columns item, value and name (CSV, no heading needed).

    Raises
    ------
    InputError
        If it cannot be read, or a value is no class.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise InputError("is too large for a table of classes", where=str(path))
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = [[cell.strip() for cell in row] for row in csv.reader(stream) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read as a table ({error})", where=str(path)) from None
    if rows and len(rows[0]) > 1 and not rows[0][1].isdecimal():
        rows = rows[1:]
    if not rows or any(len(row) < 2 for row in rows):
        raise InputError(
            "is no table of classes", where=str(path), mend="write lines like #c80000,2,nucleus"
        )
    return [Wish(r[0], _value(r[1], str(path)), r[2] if len(r) > 2 else "") for r in rows]


def _value(text: str, where: str) -> int:
    text = text.strip()
    if not text.isdecimal() or int(text) > MAX_CLASSES:
        raise InputError(
            f"{text!r} is no class", where=where, mend=f"give 0 (unlabelled) to {MAX_CLASSES}"
        )
    return int(text)
