"""docs/benchmarks.md: every section is written by the command that measured it."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from datetime import date
from itertools import pairwise
from pathlib import Path

__all__ = ["busy", "command", "known_rows", "machine", "write_section"]

_PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_TITLE = "# Benchmarks\n\nEach section is written by the command in it.\n"


def busy() -> str:
    """Say so where the machine has other work, which spoils times by the clock."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load < 1.5 * cores:
        return ""
    return (
        f"The machine was busy meanwhile (load {load:.0f} on {cores} cores): trust ratios of "
        "processor time, not the clock."
    )


def machine() -> str:
    """Processor, cores and system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores of {name}, {platform.system()}"


def command(module: str, *, without: tuple[str, ...] = ()) -> str:
    """Command that runs now, without names of this machine and without ``--write``.

    ``without``: options that say nothing of the rows, left out with their values.
    """
    local = {"--data": "FOLDER", "--rows": "ROWS"}
    words = [
        local.get(before, word)
        for before, word in pairwise(["", *sys.argv[1:]])
        if word != "--write" and before not in without and word not in without
    ]
    return f"python -m benchmarks.{module} {shlex.join(words)}"


def known_rows(path: Path | None) -> list[dict]:
    """Rows that were kept, one a line, from a run before; none without such a file."""
    return [json.loads(line) for line in path.open()] if path and path.exists() else []


def write_section(title: str, command: str, body: str) -> None:
    """Replace the section of that title, or add it at the end."""
    head = f"\n## {title}\n"
    section = f"{head}\n`{command}`, {date.today()}, {machine()}\n\n{body.strip()}\n"
    old = _PAGE.read_text() if _PAGE.exists() else _TITLE
    before, found, rest = old.partition(head)
    after = "\n## " + rest.split("\n## ", 1)[1] if found and "\n## " in rest else ""
    _PAGE.write_text(before.rstrip("\n") + "\n" + section + after)
