"""What is written on the command line, parsed once: durations, slices, spacing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from napari_densify.core.errors import InputError

__all__ = [
    "given",
    "only_one",
    "parse_channels",
    "parse_duration",
    "parse_names",
    "parse_slices",
    "parse_spacing",
    "parse_unpainted",
    "parse_zero",
]

T = TypeVar("T")

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_NANOMETRES = {"": 1.0, "nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "mm": 1e6}


def given(parse: Callable[[str], T], text: str) -> T | None:
    """Parse an option; None where it is left out."""
    return parse(text) if text else None


def only_one(annotations: Sequence[str]) -> str:
    """Labels of a command that takes one image; empty where there are none.

    Raises
    ------
    InputError
        If there are several: none of them is left out silently.
    """
    if len(annotations) > 1:
        raise InputError(
            f"{len(annotations)} label files for one image", where="--annotations", mend="give one"
        )
    return annotations[0] if annotations else ""


def parse_duration(text: str, *, where: str = "--budget", none: bool = False) -> float:
    """Seconds from ``120``, ``120s``, ``2m``, ``1.5h`` or ``1h30m``.

    Parameters
    ----------
    text
        What was written.
    where
        Option that it was written for.
    none
        Zero is a duration too.

    Raises
    ------
    InputError
        If it is no duration, or not above zero.
    """
    pieces = re.findall(r"([0-9]*\.?[0-9]+)\s*(min|[smh]?)\s*", text.strip().lower())
    rebuilt = "".join(number + unit for number, unit in pieces)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in pieces)
    whole = bool(pieces) and rebuilt == re.sub(r"\s", "", text.strip().lower())
    if not whole or not (seconds > 0 or none):
        raise InputError(f"{text!r} is not a duration", where=where, mend="write 120s, 2m or 1h30m")
    return seconds


def parse_slices(text: str) -> tuple[int, ...]:
    """Slice numbers from ``3,5-7`` (both ends included), ascending, each once; ``none`` is none.

    Raises
    ------
    InputError
        If it is no list of slices.
    """
    if text.strip().lower() == "none":
        return ()
    numbers: set[int] = set()
    for part in filter(None, (p.strip() for p in text.split(","))):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise InputError(
                f"{part!r} is neither a slice nor a range of slices",
                where="--held-out",
                mend="write numbers from 0, for example 3,5-7",
            )
        numbers.update(range(first, last + 1))
    return tuple(sorted(numbers))


def parse_spacing(text: str) -> tuple[float, float, float]:
    """Voxel size in nm from ``Z,Y,X``, in nm unless a unit follows (``0.5,0.1,0.1um``).

    Raises
    ------
    InputError
        If it is no voxel size.
    """
    match = re.fullmatch(r"([^a-zµμ]*)\s*([a-zµμ]*)", text.strip().lower().replace("e", "E"))
    unit = _NANOMETRES.get(match[2]) if match else None
    try:
        sizes = [float(part) * (unit or 0) for part in (match[1] if match else "").split(",")]
    except ValueError:
        sizes = []
    if len(sizes) != 3 or not all(0 < size < float("inf") for size in sizes):
        raise InputError(
            f"{text!r} is not a voxel size",
            where="--spacing",
            mend="write Z,Y,X in nm, for example 40,8,8, or with a unit: 0.5,0.1,0.1um",
        )
    return sizes[0], sizes[1], sizes[2]


def parse_channels(text: str) -> tuple[int, ...]:
    """Channel numbers, from 0, in the order given: ``0,2``.

    Raises
    ------
    InputError
        If it is no list of numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts):
        raise InputError(
            f"{text!r} is not a list of channels",
            where="--channels",
            mend="write numbers from 0, for example 0,2",
        )
    return tuple(int(part) for part in parts)


def parse_names(text: str) -> tuple[str, ...]:
    """Names from a list with commas."""
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def parse_unpainted(text: str) -> Literal["unlabelled", "background"]:
    """Meaning of 0 in annotations.

    Raises
    ------
    InputError
        If it is another word.
    """
    if text == "unlabelled":
        return "unlabelled"
    if text == "background":
        return "background"
    raise InputError(
        f"{text!r} is no meaning of 0", where="--zero", mend="say unlabelled or background"
    )


def parse_zero(text: str) -> Literal["unscored", "background"]:
    """Read what 0 in a truth means.

    Raises
    ------
    InputError
        If it is neither of the two words.
    """
    if text == "background":
        return "background"
    if text == "unscored":
        return "unscored"
    raise InputError(
        f"{text!r} is not a meaning of 0", where="--zero", mend="write unscored or background"
    )
