"""Results of jobs as a person reads them; one function for each job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from napari_densify.core.durations import say_duration
from napari_densify.core.sizes import say_bytes

__all__ = [
    "show_augmentation",
    "show_comparison",
    "show_demo",
    "show_doctor",
    "show_export",
    "show_import",
    "show_info",
    "show_instances",
    "show_labels",
    "show_methods",
    "show_predictions",
    "show_relocation",
    "show_replay",
    "show_scores",
    "show_suggestions",
    "show_training",
]

Result = dict[str, Any]


def show_info(console: Console, result: Result) -> None:
    """Print what is known of a volume, and what it costs."""
    if "methods" in result:
        console.print(result["methods"], highlight=False, markup=False, soft_wrap=True)
        return
    spacing = " x ".join(f"{n:g}" for n in result["spacing_nm"]) + " nm"
    if not result["spacing_known"]:
        spacing = "not stated in the file (--spacing Z,Y,X says it)"
    memory, estimate = result["memory"], result["estimate"]
    chunks = result["chunks"]
    rows = [
        ("image", result["image"]),
        ("shape (Z, Y, X)", " x ".join(map(str, result["shape"]))),
        ("channels", str(result["channels"])),
        ("dtype", result["dtype"]),
        ("voxel size (Z, Y, X)", spacing),
        ("chunks (Z, Y, X)", " x ".join(map(str, chunks)) if chunks else "none"),
        ("memory, image", say_bytes(memory["image_bytes"])),
        ("memory, labels", say_bytes(memory["labels_bytes"])),
        ("memory to predict", f"about {say_bytes(memory['predict_bytes'])}"),
        ("time to read", _about(estimate["read_s"])),
        ("time to predict", f"{_about(estimate['predict_s'])} on {estimate['device']}"),
        ("network", estimate["plan"]),
        ("to train", estimate["train_text"]),
    ]
    if "labels" in result:
        rows.append(("labels beside it", f"{result['labels']} (for --annotations)"))
    rows += [("note", note) for note in result.get("notes", ())]
    _pairs(console, rows)


def show_import(console: Console, result: Result) -> None:
    """Print what each item of a file becomes."""
    size = " x ".join(map(str, result["shape"]))
    _pairs(console, [("annotations", result["source"]), ("kind", result["kind"]), ("shape", size)])
    rows = [
        (
            item["item"],
            f"{item['voxels']:,}",
            f"{item['value']} {item['becomes']}" + (" (background)" if item["background"] else ""),
        )
        for item in result["items"]
    ]
    _table(console, ("item", "voxels", "becomes"), rows)
    if "output" in result:
        _pairs(console, [("written", result["output"]), ("voxels", f"{result['painted']:,}")])
    elif "stopped" not in result:
        console.print("nothing is written: name a label file or a project with -o")


def show_training(console: Console, result: Result) -> None:
    """Print where the model is and how well it does."""
    rows = [("model", str(result["model"])), ("time", say_duration(result["seconds"]))]
    rows += [(name, str(result[name])) for name in ("steps",) if name in result]
    if "loss" in result:
        rows.append(("last loss", f"{result['loss']:.3f}"))
    if "held_out" in result:
        rows.append(("held-out Dice", f"{result['held_out']['mean_dice']:.3f}"))
    _pairs(console, rows)
    if result.get("leave_one_out"):
        _show_folds(console, result)


def _show_folds(console: Console, result: Result) -> None:
    """Print how models of the other volumes do on each volume."""
    folds = result["leave_one_out"]
    classes = sorted({value for fold in folds for value in fold["dice"]}, key=int)
    head = ("left out", "Dice", *(f"class {value}" for value in classes))
    rows = [
        (
            fold["volume"],
            _number(fold["mean_dice"]),
            *(_number(fold["dice"].get(v)) for v in classes),
        )
        for fold in folds
    ]
    _table(console, head, rows)
    mean = sum(fold["mean_dice"] for fold in folds) / len(folds)
    _pairs(console, [("mean Dice", _number(mean)), ("table", result["leave_one_out_table"])])


def show_predictions(console: Console, result: Result) -> None:
    """Print what was predicted, volume by volume."""
    rows = [
        (v["image"], v.get("output", ""), v.get("error") or say_duration(v["seconds"]))
        for v in result["volumes"]
    ]
    _table(console, ("image", "labels", "time"), rows)


def show_labels(console: Console, result: Result) -> None:
    """Print where labels were written and the parameters that made them."""
    rows = [("labels", str(result["output"])), ("time", say_duration(result["seconds"]))]
    rows += [("objects", str(result["objects"]))] if "objects" in result else []
    _pairs(console, [*rows, *((k, str(v)) for k, v in result.get("parameters", {}).items())])


def show_instances(console: Console, result: Result) -> None:
    """Print where ids were written and how many there are."""
    _pairs(console, [("ids", str(result["output"])), ("objects", str(result["objects"]))])


def show_methods(console: Console, result: Result) -> None:
    """Print the classical methods with their parameters."""
    rows = [
        (m["name"], m["title"], m["family"], ", ".join(m["parameters"])) for m in result["methods"]
    ]
    _table(console, ("method", "what it is", "family", "parameters"), rows)


def show_scores(console: Console, result: Result) -> None:
    """Print scores: one row for each class, then what concerns them all."""
    classes, overall = result["table"]["classes"], result["table"]["overall"]
    if classes:
        names = [name for name in classes[0] if name != "class"]
        rows = [[str(c["class"]), *(_number(c[name]) for name in names)] for c in classes]
        _table(console, ("class", *names), rows)
    _pairs(console, [(key, _number(value)) for key, value in overall.items()])


def show_comparison(console: Console, result: Result) -> None:
    """Print methods and networks side by side, best first, and where the report is."""
    rows = result["rows"]
    names = list(rows[0])
    _table(console, names, [[_number(row[name]) for name in names] for row in rows])
    _pairs(console, [("report", str(result["report"]))])


def show_demo(console: Console, result: Result) -> None:
    """Print the comparison and where everything is."""
    if "compare" in result:
        show_comparison(console, result["compare"])
    rows = [("labels", result["predict"]["volumes"][0]["output"])] if "predict" in result else []
    rows += [(name, result[name]) for name in ("picture", "output") if name in result]
    _pairs(console, rows)


def show_suggestions(console: Console, result: Result) -> None:
    """Print the slices to paint next, most useful first, and why."""
    rows = [
        (s["axis"], str(s["index"]), f"{s['score']:.3f}", s["why"]) for s in result["suggestions"]
    ]
    _table(console, ("axis", "slice", "score", "why"), rows)


def show_augmentation(console: Console, result: Result) -> None:
    """Print where the picture is."""
    _pairs(console, [("picture", str(result["output"])), ("patches", str(result["patches"]))])


def show_export(console: Console, result: Result) -> None:
    """Print where the package is."""
    _pairs(console, [("package", str(result["output"]))])


def show_relocation(console: Console, result: Result) -> None:
    """Print where the image of a project is now."""
    _pairs(console, [("project", result["project"]), ("image", result["image"])])


def show_replay(console: Console, result: Result) -> None:
    """Print what was done again."""
    rows = [(str(step["step"]), step["kind"], step["output"]) for step in result["steps"]]
    _table(console, ("step", "what", "output"), rows)


def show_doctor(console: Console, result: Result) -> None:
    """Print every finding, and below what is to be mended the remedy."""
    marks = {"ok": "ok", "note": "note", "bad": "BAD"}
    for check in result["checks"]:
        line = f"{marks[check['status']]:<5}{check['name']:<34}{check['found']}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
        if check["fix"]:
            console.print(
                f"     mend: {check['fix']}", highlight=False, markup=False, soft_wrap=True
            )
    verdict = "all is well" if result["healthy"] else "what is marked BAD needs mending"
    console.print(f"will use: {result['why']}; {verdict}", highlight=False, soft_wrap=True)


def _pairs(console: Console, rows: Iterable[tuple[str, str]]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, _plain(value))
    console.print(table, highlight=False)


def _table(console: Console, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table, highlight=False)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) >= 10 else f"{value:.3f}"
    return "" if value is None else str(value)


def _about(seconds: float) -> str:
    return "under a second" if seconds < 1 else f"about {say_duration(seconds)}"
