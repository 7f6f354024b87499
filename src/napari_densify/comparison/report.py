"""The report: one HTML file that works offline and prints."""

from __future__ import annotations

import base64
import platform
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from typing import Any

import jinja2
import numpy as np

from napari_densify.comparison.case import Case
from napari_densify.comparison.charts import bar_rows, distance_chart
from napari_densify.comparison.commands import compare_command, evaluate_command
from napari_densify.comparison.entries import Entry
from napari_densify.comparison.picture import (
    ERROR_COLORS,
    draw_errors,
    draw_image,
    draw_labels,
    png_bytes,
)
from napari_densify.comparison.verdict import say_verdict
from napari_densify.comparison.views import View

__all__ = ["render_report"]

_WIDTH = 420
_LIBRARIES = ("napari-densify", "numpy", "scipy", "scikit-image", "scikit-learn", "torch")


def render_report(case: Case, entries: Sequence[Entry], views: Sequence[View]) -> str:
    """Render the HTML; pictures are embedded, nothing is loaded from elsewhere.

    Parameters
    ----------
    case
        The comparison.
    entries
        Rows, best first.
    views
        Slices that are shown.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("napari_densify.comparison", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = _number
    shape, spacing = case.image.shape, case.image.spacing
    scored = [e for e in entries if e.scores]
    return environment.get_template("report.html.j2").render(
        name=case.image.name,
        shape=" × ".join(map(str, shape)),
        spacing=" × ".join(f"{s:g}" for s in spacing) + " nm"
        if case.image.spacing_known
        else "not known",
        facts=_facts(case, scored),
        verdict=say_verdict(scored),
        entries=scored,
        failed=[e for e in entries if not e.scores],
        classes=case.classes.classes,
        bars=bar_rows(scored),
        distance=distance_chart(scored[:6]),
        views=[_view(case, view) for view in views],
        errors=_errors(case),
        evaluate={e.name: evaluate_command(case, e.labels) for e in scored},
        compare=compare_command(case),
        versions=_versions(),
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )


def _facts(case: Case, entries: Sequence[Entry]) -> dict[str, str]:
    if not entries or entries[0].scores is None:
        return {}
    scores = entries[0].scores
    what = "a truth volume" if case.from_truth else "held-out painted slices"
    tolerance = scores.boundary_tolerance_nm
    unit = "nm" if case.image.spacing_known else "voxels"
    return {
        "what": what,
        "voxels": f"{scores.voxels:,}",
        "slices": _ranges([s.z for s in scores.slices]),
        "count": str(len(scores.slices)),
        "trained": _ranges(sorted(getattr(case.training, "keep", ()))),
        "tolerance": f"{tolerance:g} {unit}" if tolerance is not None else "",
    }


def _ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers as ranges: 1-3, 7."""
    if not numbers:
        return "none"
    cuts = np.flatnonzero(np.diff(numbers) > 1) + 1
    runs = np.split(np.asarray(numbers), cuts)
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in runs)


def _view(case: Case, view: View) -> dict[str, Any]:
    base = draw_image(view.image)
    tiles = []
    for entry, labels in view.labels:
        score = (
            next((s for s in entry.scores.slices if s.z == view.z), None) if entry.scores else None
        )
        tiles.append(
            {
                "title": entry.title,
                "dice": score.mean_dice if score else None,
                "labels": _embed(draw_labels(base, labels, case.classes)),
                "errors": _embed(draw_errors(base, labels, view.truth, case.classes)),
            }
        )
    return {
        "z": view.z,
        "image": _embed(base),
        "truth": _embed(draw_labels(base, view.truth, case.classes)),
        "tiles": tiles,
    }


def _embed(picture: Any) -> str:
    code = base64.b64encode(png_bytes(picture, _WIDTH)).decode()
    return f"data:image/png;base64,{code}"


def _errors(case: Case) -> list[tuple[str, str]]:
    names = ("false positive", "false negative") if len(case.classes) == 2 else ("wrong class",)
    return [(ERROR_COLORS[n], n) for n in names]


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "system": platform.platform(terse=True)}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
