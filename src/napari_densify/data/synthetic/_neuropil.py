"""Neuropil as the electron microscope shows it: neurites and what they hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_densify.data.synthetic._space import (
    Array,
    Cells,
    Space,
    fine_noise,
    make_cells,
    smooth_noise,
    unit_vector,
)

__all__ = ["GLIA", "INSIDE", "MEMBRANE", "MITOCHONDRION", "SYNAPSE", "Stain", "make_neuropil"]

MEMBRANE, INSIDE, MITOCHONDRION, SYNAPSE, GLIA = 1, 2, 3, 4, 5
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Stain:
    """How dark structures are, 0 white to 1 black, and how large; all drawn from ranges.

    Attributes
    ----------
    diameter
        Of neurites, in nm.
    wall
        Half the thickness of the membrane between two cells, in nm.
    membrane, mitochondrion, cristae, organelles, grain
        Darkness, or depth of modulation.
    vesicles
        Number at a synapse.
    """

    diameter: tuple[float, float] = (170, 480)
    wall: tuple[float, float] = (8, 15)
    membrane: tuple[float, float] = (0.5, 0.7)
    mitochondrion: tuple[float, float] = (0.2, 0.5)
    cristae: tuple[float, float] = (0.1, 0.3)
    organelles: tuple[float, float] = (0.15, 0.4)
    grain: tuple[float, float] = (0.03, 0.08)
    vesicles: tuple[int, int] = (10, 60)


class _Tissue:
    """Darkness and labels of one block while it is being filled."""

    def __init__(self, space: Space, stain: Stain) -> None:
        self.space, self.random = space, space.random
        diameter = self.draw(stain.diameter)
        points = space.warped(
            (4 * diameter, 0.5 * diameter), (0.9 * diameter, 0.12 * diameter), (120, 8)
        )
        self.cells: Cells = make_cells(
            space,
            points,
            diameter=diameter,
            stretch=self.random.uniform(1.5, 5),
            variety=self.random.uniform(0.2, 0.42),
        )
        self.dark = np.zeros(space.shape, np.float32)
        self.labels: Labels = np.full(space.shape, INSIDE, np.uint8)
        share = self.random.choice([0.0, 0.04, 0.1])
        self.glia = self.random.random(self.cells.count) < share

    def draw(self, limits: tuple[float, float]) -> float:
        return float(self.random.uniform(*limits))

    def places(self, allowed: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
        """Voxels (n, 3) drawn from those allowed."""
        where = np.flatnonzero(allowed)
        if not len(where):
            return np.empty((0, 3), np.int64)
        picked = self.random.choice(where, min(count, len(where)), replace=False)
        return np.column_stack(np.unravel_index(picked, allowed.shape))

    def number(self, per_cubic_micron: float) -> int:
        """How many there are in this block, at that density."""
        return int(self.random.poisson(per_cubic_micron * np.prod(self.space.size) / 1e9))


def make_neuropil(space: Space, stain: Stain) -> tuple[Array, Labels]:
    """Fill a block with neurites.

    Returns
    -------
    Darkness of the stain, 0 to about 1, and classes, both ``(Z, Y, X)``.
    """
    tissue = _Tissue(space, stain)
    _fill_cytoplasm(tissue, stain)
    _add_reticulum(tissue, stain)
    _add_microtubules(tissue, stain)
    _add_mitochondria(tissue, stain)
    _add_membranes(tissue, stain)
    _add_synapses(tissue, stain)
    return tissue.dark, tissue.labels


def _fill_cytoplasm(t: _Tissue, stain: Stain) -> None:
    shade = t.random.normal(0.2, 0.05, t.cells.count).astype(np.float32)
    shade[t.glia] += 0.2 + 0.1 * t.random.random()
    rough = np.where(t.glia, 2.0, t.random.uniform(0.6, 1.4, t.cells.count)).astype(np.float32)
    texture = fine_noise(t.space, 9) + fine_noise(t.space, 28) + 0.6 * smooth_noise(t.space, 150)
    t.dark += shade[t.cells.ids] + t.draw(stain.grain) * rough[t.cells.ids] * texture
    t.labels[t.glia[t.cells.ids]] = GLIA


def _add_reticulum(t: _Tissue, stain: Stain) -> None:
    """Thin dark sheets: where a smooth field passes through zero."""
    sheet = np.abs(smooth_noise(t.space, 130)) < 0.07
    somewhere = smooth_noise(t.space, 350) > t.draw((0.9, 1.8))
    t.dark[sheet & somewhere & (t.cells.gap > 35)] += t.draw(stain.organelles)


def _add_microtubules(t: _Tissue, stain: Stain) -> None:
    """Dots or threads along the neurites, on a jittered lattice across them."""
    first = np.cross(t.cells.axis, unit_vector(t.random))
    first /= np.linalg.norm(first)
    second = np.cross(t.cells.axis, first)
    pitch = t.draw((60, 110))
    u, v = (np.tensordot(d.astype(np.float32), t.cells.points, 1) / pitch for d in (first, second))
    row, column = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    table = t.random.uniform(0.15, 0.85, (2, 64, 64)).astype(np.float32)
    present = t.random.random((64, 64)) < 0.35
    du, dv = (
        (u - row - table[0][row % 64, column % 64]),
        (v - column - table[1][row % 64, column % 64]),
    )
    ring = np.exp(-(((np.hypot(du, dv) * pitch - 8) / 5) ** 2))
    inside = present[row % 64, column % 64] & (t.cells.gap > 30)
    t.dark += np.where(inside, t.draw(stain.organelles) * ring, 0).astype(np.float32)


def _add_mitochondria(t: _Tissue, stain: Stain) -> None:
    """Capsules along the neurites, with a rim and cristae."""
    roomy = (t.cells.gap > 70) & (t.labels == INSIDE)
    body, cristae = t.draw(stain.mitochondrion), t.draw(stain.cristae)
    for place in t.places(roomy, max(1, t.number(t.draw((0.5, 2.5))))):
        radius = min(0.85 * float(t.cells.gap[tuple(place)]), t.draw((80, 240)))
        length = radius * t.random.lognormal(0.7, 0.6)
        _add_mitochondrion(t, place, radius, min(length, 6 * radius), body, cristae)


def _add_mitochondrion(
    t: _Tissue, place: NDArray[np.int64], radius: float, length: float, body: float, cristae: float
) -> None:
    axis = t.cells.axis + 0.3 * unit_vector(t.random)
    axis /= np.linalg.norm(axis)
    box = t.space.box(place, 1.6 * (np.abs(axis) * length / 2 + radius) + 80)
    away = t.cells.points[(slice(None), *box)] - t.cells.points[(slice(None), *place)].reshape(
        3, 1, 1, 1
    )
    along = np.clip(np.tensordot(axis, away, 1), -length / 2, length / 2)
    depth = radius - np.linalg.norm(away - axis.reshape(3, 1, 1, 1) * along, axis=0)
    inside = (depth > 0) & (t.cells.gap[box] > 14) & (t.labels[box] == INSIDE)
    inside &= t.cells.ids[box] == t.cells.ids[tuple(place)]
    across = unit_vector(t.random)
    waves = np.tensordot(across, away, 1) + 12 * np.sin(np.tensordot(axis, away, 1) / 60)
    stripes = np.sin(waves * (2 * np.pi / t.draw((28, 50))))
    rim = np.exp(-(((np.minimum(depth, t.cells.gap[box] - 14) - 5) / 8) ** 2))
    shade = body * t.random.uniform(0.8, 1.2) + cristae * stripes * (depth > 15) + 0.25 * rim
    t.dark[box][inside] += shade[inside].astype(np.float32)
    t.labels[box][inside] = MITOCHONDRION


def _add_membranes(t: _Tissue, stain: Stain) -> None:
    """Walls between cells, here and there fainter, with the cleft just visible."""
    wall = t.draw(stain.wall)
    width = wall * np.exp(0.15 * smooth_noise(t.space, 200))
    strength = t.draw(stain.membrane) * np.clip(1 + 0.2 * smooth_noise(t.space, 250), 0.35, 1.4)
    profile = np.exp(-((t.cells.gap / width) ** 4)) - 0.3 * np.exp(-((t.cells.gap / 3.5) ** 2))
    near = t.cells.gap < 3 * wall
    ceiling = np.maximum(t.dark, strength + 0.2)
    t.dark[near] += ((ceiling - t.dark) * np.clip(profile, 0, 1))[near]
    t.labels[(t.cells.gap < 1.1 * width) & (t.labels != GLIA)] = MEMBRANE
    t.labels[(t.cells.gap < 0.8 * width)] = MEMBRANE


def _add_synapses(t: _Tissue, stain: Stain) -> None:
    """Put a dark plate on one side of a membrane, vesicles behind it."""
    glial = t.glia[t.cells.ids] | t.glia[t.cells.others]
    walls = (t.cells.gap < 8) & ~glial
    for place in t.places(walls, t.number(t.draw((0.5, 3)))):
        radius, depth = t.draw((60, 180)), t.draw((16, 36))
        box = t.space.box(place, radius + 60)
        near = _distance(t, place, box)
        behind, beyond = _sides(t.cells, place, box)
        reach = np.where(behind, depth, 12) * np.clip(1.3 - near / radius, 0, 1)
        plate = (behind | beyond) & (t.cells.gap[box] < reach) & (t.labels[box] != MITOCHONDRION)
        dark = t.draw((0.7, 0.95)) - 0.2 * (t.cells.gap[box] / depth) ** 2
        t.dark[box][plate] = np.maximum(t.dark[box], dark)[plate]
        t.labels[box][plate] = SYNAPSE
        own = t.cells.ids[box] == t.cells.ids[tuple(place)]
        _add_vesicles(t, box, own & (t.cells.gap[box] > 40), stain)


def _sides(
    cells: Cells, place: NDArray[np.int64], box: tuple[slice, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the one and where the other of the two cells that meet at a voxel is."""
    one, other = cells.ids[tuple(place)], cells.others[tuple(place)]
    here, there = cells.ids[box], cells.others[box]
    return (here == one) & (there == other), (here == other) & (there == one)


def _add_vesicles(
    t: _Tissue, box: tuple[slice, ...], allowed: NDArray[np.bool_], stain: Stain
) -> None:
    start = np.array([s.start for s in box])
    strength, allowed = t.draw(stain.organelles), allowed & (t.labels[box] == INSIDE)
    for place in t.places(allowed, int(t.random.integers(*stain.vesicles))) + start:
        around = t.space.box(place, 40)
        ring = np.exp(-(((_distance(t, place, around) - t.draw((14, 20))) / 5) ** 2))
        t.dark[around] += strength * np.where(t.labels[around] == INSIDE, ring, 0)


def _distance(t: _Tissue, place: NDArray[np.int64], box: tuple[slice, ...]) -> Array:
    """Distance in nm from a voxel, over a box."""
    axes = [
        (np.arange(s.start, s.stop) - p) * d
        for s, p, d in zip(box, place, t.space.spacing, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    return np.asarray(np.sqrt(z * z + y * y + x * x), dtype=np.float32)
