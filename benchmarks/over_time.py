"""Quality over time: what a training of so many seconds gives, beside the longest one.

    python -m benchmarks.over_time --budgets 10 30 60 600 --data FOLDER \
        --scenes nuclei:slices vnc_sstem_devcrop:strokes [--rows FILE] [--write]

A scene is a volume and how it is painted (see ``benchmarks.scenarios``). Every budget is a
training and a prediction of its own by the commands that users have, start of the program
included in the budget. --rows keeps every row as it comes, and goes on after an interruption.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.methods import find_method, prepare
from benchmarks.page import command, known_rows, write_section
from benchmarks.scenarios import PAINT, Scene, find_volume, slice_count
from benchmarks.scores import score

_TITLE = "Quality over time"


def measure(name: str, rule: str, budget: float, data: Path | None) -> dict:
    """Train for ``budget`` seconds on one painted volume, predict it, and score what is open."""
    found, image, truth = find_volume(name, data)
    scene = Scene(found, image, truth, PAINT[rule](truth, slice_count(len(truth)), 0))
    with prepare(scene, budget, 0, 0) as job:
        answer = find_method("densify")(job)
    scored = score(answer.labels[0], scene.truth, scene.paint)
    return {"scene": f"{name}:{rule}", "budget": budget, "steps": answer.steps, **scored}


def table(rows: list[dict], budgets: list[float]) -> str:
    """Markdown table: mean IoU (steps) of each budget, and its share of the longest one's."""
    cells = {(r["scene"], r["budget"]): r for r in rows}
    scenes = dict.fromkeys(r["scene"] for r in rows)  # VOLUME:PAINT; volumes may have colons
    lines = [
        f"| volume | paint | {' | '.join(f'{b:g} s' for b in budgets)} |",
        f"|---|---|{'---|' * len(budgets)}",
    ]
    for scene in scenes:
        whole = cells[scene, budgets[-1]]["iou"]
        shown = (
            f"{r['iou']:.3f} ({r['steps']} steps, {r['iou'] / whole:.0%})"
            for r in (cells[scene, b] for b in budgets)
        )
        lines.append(f"| {' | '.join(scene.rsplit(':', 1))} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--budgets", type=float, nargs="+", default=[10, 30, 60, 600])
    parser.add_argument("--scenes", nargs="+", required=True, help="VOLUME:PAINT")
    parser.add_argument("--data", type=Path, help="folder with further volumes")
    parser.add_argument("--rows", type=Path, help="keep rows here, and go on from them")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    rows = known_rows(options.rows)
    budgets, done = sorted(options.budgets), {(r["scene"], r["budget"]) for r in rows}
    for scene in options.scenes:
        for budget in budgets:
            if (scene, budget) not in done:
                rows.append(measure(*scene.rsplit(":", 1), budget, options.data))
                print(json.dumps(rows[-1]), flush=True)
                if options.rows:
                    with options.rows.open("a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
    text = table([r for r in rows if r["scene"] in options.scenes], budgets)
    print(text)
    if options.write:
        note = (
            "Mean IoU over classes on voxels that nobody painted (steps, share of the longest "
            "training's); one seed.\n\n"
        )
        write_section(_TITLE, command("over_time"), note + text)


if __name__ == "__main__":
    main()
