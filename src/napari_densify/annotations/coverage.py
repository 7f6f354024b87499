"""How much is painted of what, and what is wrong with that: for the table in the dock."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from napari_densify.annotations.source import Annotations
from napari_densify.core.labels import ClassTable

__all__ = ["ClassCoverage", "Coverage", "measure_coverage", "widest_gaps"]

# Rarer than this beside the commonest class, a class is hard to learn.
_RARE = 0.01


@dataclass(frozen=True)
class ClassCoverage:
    """What is painted of one class.

    Attributes
    ----------
    value, name
        Code and name of the class.
    voxels, held_out_voxels
        Painted voxels that are trained on, and those kept for scoring.
    slices
        Number of slices that hold some of it, held-out ones included.
    """

    value: int
    name: str
    voxels: int
    held_out_voxels: int
    slices: int


@dataclass(frozen=True)
class Coverage:
    """What is painted of a volume.

    Attributes
    ----------
    classes
        One row a class of the table, and one for each painted code that it lacks.
    slices
        Painted share (0 to 1) of each slice that holds any paint.
    painted
        Painted share of the volume.
    warnings
        What the user should know before training; one line each.
    """

    classes: tuple[ClassCoverage, ...]
    slices: dict[int, float]
    painted: float
    warnings: tuple[str, ...]


def measure_coverage(
    annotations: Annotations, table: ClassTable, *, held_out: Collection[int] = ()
) -> Coverage:
    """Sum up what is painted, without reading a voxel.

    Parameters
    ----------
    annotations
        Paint; its counts per slice are kept up while it is painted.
    table
        Classes of the project.
    held_out
        Slices that are not trained on.
    """
    rows = annotations.slice_counts()
    depth, height, width = annotations.shape
    painted = {value for row in rows.values() for value in row}
    classes = tuple(
        _class_row(c.value, c.name, rows, held_out)
        for c in table.only({*table.values, *painted}).classes
    )
    shares = {z: sum(row.values()) / (height * width) for z, row in rows.items()}
    return Coverage(
        classes=classes,
        slices=shares,
        painted=sum(shares.values()) / depth,
        warnings=tuple(_warnings(classes, table, held_out)),
    )


def widest_gaps(painted: Collection[int], depth: int, count: int = 1) -> list[int]:
    """Slices that lie farthest from paint: what to paint next while there is no model to ask.

    Parameters
    ----------
    painted
        Slices that hold paint.
    depth
        Slices of the volume.
    count
        How many slices to name; each counts as painted for the next.
    """
    taken, chosen = set(painted), []
    for _ in range(min(count, depth - len(taken))):
        if not taken:
            best = depth // 2
        else:
            free = (z for z in range(depth) if z not in taken)
            best = max(free, key=lambda z: (min(abs(z - t) for t in taken), -abs(z - depth // 2)))
        taken.add(best)
        chosen.append(best)
    return chosen


def _class_row(
    value: int, name: str, rows: dict[int, dict[int, int]], held_out: Collection[int]
) -> ClassCoverage:
    counts = {z: row[value] for z, row in rows.items() if row.get(value)}
    kept = sum(n for z, n in counts.items() if z in held_out)
    return ClassCoverage(value, name, sum(counts.values()) - kept, kept, len(counts))


def _warnings(
    classes: tuple[ClassCoverage, ...], table: ClassTable, held_out: Collection[int]
) -> list[str]:
    trained = {c.value: c for c in classes if c.voxels}
    if not trained:
        return ["nothing is painted yet"]
    warnings = []
    if len(trained) == 1:
        only = next(iter(trained.values()))
        warnings.append(f"only {only.name} is painted: paint a second class, the background too")
    elif table.background is not None and table.background not in trained:
        name = table.name(table.background)
        warnings.append(f"no {name} is painted: voxels left unpainted do not count as {name}")
    most = max(c.voxels for c in trained.values())
    for c in classes:
        if c.held_out_voxels and not c.voxels:
            warnings.append(f"{c.name} is painted on held-out slices only: it cannot be learned")
        elif c.voxels and c.voxels < _RARE * most:
            warnings.append(f"{c.name} is rare ({c.voxels} voxels): paint more of it")
        elif held_out and c.voxels and not c.held_out_voxels:
            warnings.append(f"{c.name} is on no held-out slice: it cannot be scored")
    return warnings
