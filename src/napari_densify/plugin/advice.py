"""What to tell the user about the paint: pure functions of how much is painted where."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from napari_densify.annotations import sum_slices
from napari_densify.core.labels import ClassTable

__all__ = [
    "COPIED",
    "advise",
    "doubt_coverage",
    "propose_held_out",
    "say_coverage",
    "say_suggestion",
]

FEWEST = 5
"""Painted slices below which none is taken away for scoring."""

RARE = 0.01
"""Painted less than this beside the commonest class, a class is hard to learn."""

COPIED = (
    "slice {z} holds paint that was copied from a prediction or an interpolation: scored on it, "
    "a model looks better than it is; erase it and paint it by hand"
)
"""Said where such a slice is held out."""

SliceCounts = Mapping[int, Mapping[int, int]]
"""Annotated voxels per class code, for each painted Z slice."""


def advise(slices: SliceCounts, classes: ClassTable, held_out: Collection[int] = ()) -> str:
    """Say what to paint before a training makes sense; empty if it does.

    Parameters
    ----------
    slices
        Annotated voxels per slice and class.
    classes
        Class table.
    held_out
        Slices that are not trained on.
    """
    painted = [v for v, n in sum_slices(slices, without=held_out).items() if n]
    if not painted:
        return "Nothing is painted yet. Paint a little of every class on one or more slices."
    if len(painted) == 1:
        other = "the background" if painted[0] != classes.background else "another class"
        return (
            f"Only {classes.name(painted[0])} is painted. Paint {other} too: "
            "what is left unpainted is ignored, it does not count as background."
        )
    if classes.background is not None and classes.background not in painted:
        return "No background is painted. What is left unpainted does not count as background."
    missing = [v for v in classes.values if v not in painted]
    anywhere = sum_slices(slices)
    if kept := [v for v in missing if anywhere.get(v)]:
        return f"Painted on held-out slices only, so not learned: {_names(kept, classes)}."
    return f"Not painted yet, so not learned: {_names(missing, classes)}." if missing else ""


def doubt_coverage(slices: SliceCounts, classes: ClassTable, held_out: Collection[int]) -> str:
    """Say of which classes too little is painted to learn or to score them; empty if of none."""
    trained = sum_slices(slices, without=held_out)
    kept = sum_slices({z: row for z, row in slices.items() if z in held_out})
    most = max(trained.values(), default=0)
    rare = [v for v, n in trained.items() if 0 < n < RARE * most]
    unscored = [v for v, n in trained.items() if n and kept and not kept.get(v)]
    doubts = [f"Rare, so paint more of it: {_names(rare, classes)}."] if rare else []
    if unscored:
        doubts.append(f"On no held-out slice, so not scored: {_names(unscored, classes)}.")
    return " ".join(doubts)


def _names(values: Collection[int], classes: ClassTable) -> str:
    return ", ".join(classes.name(v) for v in sorted(values))


def propose_held_out(
    painted: Collection[int], held_out: Collection[int], copied: Collection[int] = ()
) -> int | None:
    """Return a painted slice worth holding out: from five painted slices on, one in five.

    Parameters
    ----------
    painted, held_out
        Slices with paint, and those held out already.
    copied
        Slices whose paint was copied from a prediction: a model would be scored on itself.
    """
    if len(painted) < FEWEST or len(set(held_out) & set(painted)) >= len(painted) // FEWEST:
        return None
    free = [z for z in sorted(painted) if z not in held_out and z not in copied]
    return free[len(free) // 2] if free else None


def say_coverage(
    slices: SliceCounts, shape: tuple[int, int, int], held_out: Collection[int]
) -> str:
    """How much of a volume ``(Z, Y, X)`` is painted, in one line."""
    voxels = sum(sum(row.values()) for row in slices.values())
    z, y, x = shape
    held = len(set(held_out) & set(slices))
    text = f"{len(slices)} of {z} slices painted, {voxels / max(1, z * y * x):.2%} of all voxels"
    return f"{text}, {held} held out" if held else text


def say_suggestion(suggested: Sequence[Mapping[str, Any]], on_screen: tuple[str, int]) -> str:
    """Why the slice on screen is suggested, or which ones are; empty if none is.

    Parameters
    ----------
    suggested
        What the engine found: ``axis``, ``index`` and ``why`` of each, best first.
    on_screen
        Plane (``XY``, ``XZ``, ``YZ``) and number of the slice on screen.
    """
    if not suggested:
        return ""
    for found in suggested:
        if (found["axis"], found["index"]) == on_screen:
            return f"{found['axis']} slice {found['index']} is suggested: {found['why']}."
    names = ", ".join(f"{s['axis']} {s['index']}" for s in suggested)
    return f"Suggested: {names} (key N goes there)."
