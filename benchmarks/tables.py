"""Rows of measurements as Markdown tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

__all__ = ["all_tables", "costs", "differences", "quality"]

Row = dict
Cell = tuple[str, str, str]


def all_tables(rows: list[Row], methods: list[str]) -> str:
    """All tables of a run, those without content left out."""
    parts = [quality(rows, methods), _section("What it costs", costs(rows, methods))]
    parts.append(_section("IoU by class", classes(rows, methods)))
    parts.append(_section("Mean IoU by slices from the nearest painted one",
                          distances(rows, methods)))  # fmt: skip
    if sum(method.startswith("densify") for method in methods) > 1:
        parts.insert(1, _section(f"Change against {methods[0]}", differences(rows, methods)))
    return "\n\n".join(part for part in parts if part)


def _section(title: str, table: str) -> str:
    return f"**{title}**\n\n{table}" if table else ""


def _markdown(head: list[str], lines: Iterable[list[str]]) -> str:
    body = [f"| {' | '.join(line)} |" for line in lines]
    rule = "|" + "---|" * len(head)
    return "\n".join([f"| {' | '.join(head)} |", rule, *body]) if body else ""


def _cells(rows: list[Row]) -> dict[Cell, dict[str, list[Row]]]:
    cells: dict[Cell, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[row["volume"], row["paint"], row["onto"]][row["method"]].append(row)
    return cells


def _mean(rows: list[Row], field: str) -> float:
    return float(np.mean([row[field] for row in rows])) if rows else float("nan")


def _number(value: float, form: str = ".3f") -> str:
    return "-" if np.isnan(value) else format(value, form)


def quality(rows: list[Row], methods: list[str]) -> str:
    """Mean IoU and its deviation over seeds, a line a scene; means over scenes below.

    A mean is taken over the scenes that every method of the table answered, except for
    interpolation, which knows no second volume.
    """
    lines = []
    for (volume, paint, onto), by_method in _cells(rows).items():
        texts = [_spread([row["iou"] for row in by_method[m]]) for m in methods]
        lines.append([volume if not onto else f"{volume} onto {onto}", paint, *texts])
    for label, second in (("within", False), ("onto another", True)):
        chosen = [by for (_, _, onto), by in _cells(rows).items() if bool(onto) == second]
        if chosen:
            means = [_mean_over(chosen, m) for m in methods]
            lines.append([f"**mean, {label}**", "", *(f"**{_number(m)}**" for m in means)])
    return _markdown(["volume", "paint", *methods], lines)


def _spread(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values):.3f}" if len(values) > 1 else "")


def _mean_over(cells: list[dict[str, list[Row]]], method: str) -> float:
    if not all(by[method] for by in cells):
        return float("nan")
    return float(np.mean([_mean(by[method], "iou") for by in cells]))


def differences(rows: list[Row], methods: list[str]) -> str:
    """Gain of each method over the first one: mean over scenes, worst and best scene."""
    reference, lines = methods[0], []
    for method in methods[1:]:
        gains = {
            " ".join(filter(None, cell)): _mean(by[method], "iou") - _mean(by[reference], "iou")
            for cell, by in _cells(rows).items()
            if by[method] and by[reference]
        }
        if gains:
            worst, best = min(gains, key=gains.__getitem__), max(gains, key=gains.__getitem__)
            mean = float(np.mean(list(gains.values())))
            lines.append([
                method.removeprefix("densify:"), f"{mean:+.3f}",
                f"{gains[worst]:+.3f} ({worst})", f"{gains[best]:+.3f} ({best})",
            ])  # fmt: skip
    return _markdown(["change", "mean", "worst", "best"], lines)


def costs(rows: list[Row], methods: list[str]) -> str:
    """Seconds of training and of labelling, steps, peak memory; a method's remarks."""
    lines = []
    for method in methods:
        got = [row for row in rows if row["method"] == method and not row["onto"]]
        if got:
            steps = [row["steps"] for row in got]
            few = f"{min(steps)}-{max(steps)}" if max(steps) else "-"
            remarks = sorted({row["remark"] for row in got} - {""})
            lines.append([
                method, f"{_mean(got, 'seconds'):.0f}", f"{_mean(got, 'predict_seconds'):.0f}",
                few, f"{max(row['peak_gb'] for row in got):.1f}",
                "; ".join([*remarks, *_too_few(method, steps)]),
            ])  # fmt: skip
    head = ["method", "training (s)", "labelling (s)", "steps", "peak memory (GB)", "remark"]
    return _markdown(head, lines)


def _too_few(method: str, steps: list[int]) -> list[str]:
    few = min(steps) < 100 and method in ("nnunet", "monai")
    return ["under 100 steps on some volume: says nothing there"] if few else []


def classes(rows: list[Row], methods: list[str]) -> str:
    """IoU of each class within the painted volumes that have more than two, rarest first."""
    lines = []
    for (volume, paint, onto), by_method in _cells(rows).items():
        first = next(iter(by_method.values()))[0]["classes"]
        for code, (_, share) in sorted(first.items(), key=lambda item: item[1][1]):
            if len(first) > 2 and not onto:
                texts = [_class_iou(by_method[m], code) for m in methods]
                lines.append([volume, paint, f"{code} ({share:.1%})", *texts])
    return _markdown(["volume", "paint", "class (share)", *methods], lines)


def _class_iou(rows: list[Row], code: str) -> str:
    values = [row["classes"][code][0] for row in rows if code in row["classes"]]
    return _number(float(np.nanmean(values))) if values else "-"


def distances(rows: list[Row], methods: list[str]) -> str:
    """Mean IoU at each distance from paint, over the painted volumes."""
    within = [row for row in rows if not row["onto"]]
    found = sorted({int(d) for row in within for d in row["distances"]})
    get: Callable[[str, int], list[float]] = lambda m, d: [  # noqa: E731
        row["distances"][str(d)] for row in within
        if row["method"] == m and str(d) in row["distances"]
    ]  # fmt: skip
    lines = [[m, *(_number(_average(get(m, d))) for d in found)] for m in methods]
    return _markdown(["method", *(f"{d} or more" for d in found)], lines) if found else ""


def _average(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
