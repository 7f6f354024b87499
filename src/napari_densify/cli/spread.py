"""Options that take several values: ``--annotations A B`` is ``--annotations A --annotations B``.

The parser underneath knows only the second form. Where no image stands before or
after, ``--annotations L1 L2 I1 I2`` is read as it must be meant: half of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["spread"]


def spread(arguments: Sequence[str], program: Any) -> list[str]:
    """Repeat the name of a list option before each of its values.

    Parameters
    ----------
    arguments
        Words after the program's name; the first is the command.
    program
        The group of commands, which knows the options of each.
    """
    words = list(arguments)
    command = program.commands.get(words[0]) if words else None
    if command is None:
        return words
    pieces = _pieces(words[1:], _options(command))
    takes_images = any(param.param_type_name == "argument" for param in command.params)
    if takes_images and not any(name is None for name, _ in pieces):
        _give_back_images(pieces)
    return [words[0], *(word for piece in pieces for word in _written(*piece))]


Piece = tuple[str | None, list[str]]
"""Option and its values; "" stands for words to be left alone, None for an argument."""


def _options(command: Any) -> dict[str, Any]:
    return {
        name: param
        for param in command.params
        if param.param_type_name == "option"
        for name in (*param.opts, *param.secondary_opts)
    }


def _pieces(words: list[str], options: dict[str, Any]) -> list[Piece]:
    pieces: list[Piece] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            pieces += [("", [word]), *((None, [other]) for other in rest)]
            break
        if not word.startswith("-") or word == "-":
            pieces.append((None, [word]))
            continue
        param = options.get(word)
        if param is None or param.is_flag or not rest:
            pieces.append(("", [word]))
        elif not param.multiple:
            pieces.append(("", [word, rest.pop(0)]))
        else:
            pieces.append((word, _values(word, rest)))
    return pieces


def _values(name: str, rest: list[str]) -> list[str]:
    """Take the values of a list option off the remaining words."""
    values = [rest.pop(0)]
    while rest and not rest[0].startswith("-") and (name != "--set" or "=" in rest[0]):
        values.append(rest.pop(0))
    return values


def _give_back_images(pieces: list[Piece]) -> None:
    """No argument stands alone: the last list option has swallowed the images."""
    for index in reversed(range(len(pieces))):
        name, values = pieces[index]
        if name and len(values) > 1:
            keep = len(values) // 2 if name == "--annotations" else len(values) - 1
            pieces[index] = (name, values[:keep])
            pieces[index + 1 : index + 1] = [(None, [value]) for value in values[keep:]]
            return


def _written(name: str | None, values: list[str]) -> list[str]:
    return [word for value in values for word in (name, value)] if name else values
