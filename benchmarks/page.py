"""docs/benchmarks.md: every section is written by the command that measured it."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path

__all__ = ["busy", "machine", "write_section"]

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


def write_section(title: str, command: str, body: str) -> None:
    """Replace the section of that title, or add it at the end."""
    head = f"\n## {title}\n"
    section = f"{head}\n`{command}`, {date.today()}, {machine()}\n\n{body.strip()}\n"
    old = _PAGE.read_text() if _PAGE.exists() else _TITLE
    before, found, rest = old.partition(head)
    after = "\n## " + rest.split("\n## ", 1)[1] if found and "\n## " in rest else ""
    _PAGE.write_text(before.rstrip("\n") + "\n" + section + after)
