"""Sizes in words, for messages, the terminal and the viewer alike."""

from __future__ import annotations

__all__ = ["say_bytes"]


def say_bytes(count: float) -> str:
    """Size as people say it, in powers of 1000: ``3.1 MB``."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if round(size) < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.0f} PB"
