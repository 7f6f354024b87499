"""Densify's random forest on features along all three axes.

A second volume is laid behind the first, as in ``benchmarks.rivals.forest``; where they meet
their features see each other.
"""

from __future__ import annotations

from benchmarks.rivals.forest import main

__all__: list[str] = []

if __name__ == "__main__":
    main("3d")
