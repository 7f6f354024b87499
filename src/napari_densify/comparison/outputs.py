"""What a comparison leaves behind: table, scores, picture, report."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_densify.comparison.case import Case
from napari_densify.comparison.entries import Entry
from napari_densify.comparison.picture import (
    ERROR_COLORS,
    Tile,
    draw_errors,
    draw_image,
    draw_labels,
    grid,
    png_bytes,
)
from napari_densify.comparison.report import render_report
from napari_densify.comparison.views import View, choose_slices, load_view
from napari_densify.core.files import atomic_write_bytes, atomic_write_json

__all__ = ["ranked", "write_outputs"]


def write_outputs(case: Case) -> dict[str, Any]:
    """Write everything and return the rows of the table and the paths.

    Returns
    -------
    ``rows`` (brief, best first), ``table_rows`` (all columns), ``report``, ``table``,
    ``scores``, ``picture``.
    """
    entries = ranked(case.entries)
    views = [load_view(case, entries, z) for z in choose_slices(case)]
    paths = {
        "report": case.folder / "report.html",
        "table": case.folder / "table.csv",
        "scores": case.folder / "scores.json",
        "picture": case.folder / "comparison.png",
    }
    atomic_write_bytes(paths["table"], _csv(entries))
    atomic_write_json(paths["scores"], _json(case, entries))
    atomic_write_bytes(paths["picture"], png_bytes(_picture(case, views[0])))
    atomic_write_bytes(paths["report"], render_report(case, entries, views).encode())
    return {
        "rows": [entry.brief() for entry in entries],
        "table_rows": [entry.row() for entry in entries],
        **{name: str(path) for name, path in paths.items()},
        "labels": {e.title: str(case.folder / e.labels) for e in entries if e.labels},
        "held_out": list(case.held_out),
    }


def ranked(entries: list[Entry]) -> list[Entry]:
    """Best mean Dice first; what could not be scored comes last."""

    def key(entry: Entry) -> float:
        dice = entry.scores.mean_dice if entry.scores else None
        return -1.0 if dice is None else dice

    return sorted(entries, key=key, reverse=True)


def _csv(entries: list[Entry]) -> bytes:
    rows = [entry.row() for entry in entries]
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    return stream.getvalue().encode()


def _json(case: Case, entries: list[Entry]) -> dict[str, Any]:
    return {
        "image": case.options.source.image or case.image.source or case.image.name,
        "shape": list(case.image.shape),
        "spacing_nm": list(case.image.spacing) if case.image.spacing_known else None,
        "classes": case.classes.model_dump(mode="json"),
        "held_out": list(case.held_out),
        "truth": "truth" if case.from_truth else "held-out paint",
        "entries": [entry.model_dump(mode="json") for entry in entries],
    }


def _picture(case: Case, view: View) -> npt.NDArray[Any]:
    base = draw_image(view.image)
    truth = draw_labels(base, view.truth, case.classes)
    tiles = [Tile("Image and truth", f"slice {view.z}", (base, truth))]
    for entry, labels in view.labels:
        scores = entry.scores
        note = f"mean Dice {scores.mean_dice:.3f}" if scores and scores.mean_dice else ""
        pictures = (
            draw_labels(base, labels, case.classes),
            draw_errors(base, labels, view.truth, case.classes),
        )
        tiles.append(Tile(entry.title, note, pictures))
    name = Path(case.image.name).name
    return grid(tiles, title=f"{name}: labels above, errors below", legend=legend(case))


def legend(case: Case) -> list[tuple[str, str]]:
    """Colours of classes and errors with their meaning."""
    rows = [(c.color, c.name) for c in case.classes.classes if not c.background]
    names = ("false positive", "false negative") if len(case.classes) == 2 else ("wrong class",)
    return rows + [(ERROR_COLORS[n], n) for n in names]
