"""Numbers of the report's charts; the template draws them as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_densify.comparison.entries import Entry

__all__ = ["bar_rows", "distance_chart"]

_COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 240, 40, 34


def bar_rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Mean Dice of each entry, with its interval, in percent of the bar's length."""
    rows = []
    for entry in entries:
        if entry.scores is None:
            continue
        span = entry.scores.mean_dice_interval
        rows.append(
            {
                "title": entry.title,
                "family": entry.family,
                "value": 100 * (entry.scores.mean_dice or 0),
                "low": 100 * span[0] if span else None,
                "high": 100 * span[1] if span else None,
            }
        )
    return rows


def distance_chart(entries: Sequence[Entry]) -> dict[str, Any] | None:
    """Mean Dice against slices to the nearest paint; None unless there are two distances."""
    lines = []
    for color, entry in zip(_COLORS, entries, strict=False):
        points: dict[int, list[float]] = {}
        for score in entry.scores.slices if entry.scores else ():
            if score.distance is not None and score.mean_dice is not None:
                points.setdefault(score.distance, []).append(score.mean_dice)
        means = {d: float(np.mean(v)) for d, v in sorted(points.items())}
        lines.append((entry.title, color, means))
    longest = max((max(m, default=0) for _, _, m in lines), default=0)
    if longest == 0 or max(len(m) for _, _, m in lines) < 2:
        return None
    first = min(min(m) for _, _, m in lines if m)
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "bottom": _HEIGHT - _BOTTOM,
        "ticks": [(d, _x(d, first, longest)) for d in _ticks(first, longest)],
        "levels": [(v, _y(v)) for v in (0.0, 0.25, 0.5, 0.75, 1.0)],
        "lines": [
            {
                "title": title,
                "color": color,
                "points": [(_x(d, first, longest), _y(v)) for d, v in means.items()],
            }
            for title, color, means in lines
        ],
    }


def _ticks(first: int, last: int) -> list[int]:
    return sorted({round(v) for v in np.linspace(first, last, min(8, last - first + 1))})


def _x(distance: int, first: int, last: int) -> float:
    part = (distance - first) / max(last - first, 1)
    return round(_LEFT + 8 + part * (_WIDTH - _LEFT - 24), 1)


def _y(value: float) -> float:
    return round((_HEIGHT - _BOTTOM) - value * (_HEIGHT - _BOTTOM - 10), 1)
