"""Other people's methods, each a program of its own: ``python -m benchmarks.rivals.NAME JOB``.

JOB is a folder with job.json (what to learn from, what to label, for how long) and its
files. The program writes the label files that the job names, and result.json with what it
cost. A process of its own has its own clock and memory, and may be another Python.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import tifffile

__all__ = ["Job", "Spent"]


@dataclass(frozen=True)
class Job:
    """What a method is asked for; paths are within its folder.

    ``images`` are labelled into ``outputs``; the first one is painted. ``started`` is the
    clock (time.monotonic) from which the budget counts.
    """

    folder: str
    images: tuple[str, ...]
    paint: str
    outputs: tuple[str, ...]
    spacing: tuple[float, float, float]
    budget: float
    steps: int
    seed: int
    started: float

    def save(self) -> None:
        """Write job.json."""
        (Path(self.folder) / "job.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def from_arguments(cls) -> Job:
        """Read the job whose folder is on the command line."""
        fields = json.loads((Path(sys.argv[1]) / "job.json").read_text())
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})

    @property
    def elapsed(self) -> float:
        """Seconds since the budget began."""
        return time.monotonic() - self.started

    @property
    def progress(self) -> float:
        """Share of the budget that is used."""
        return min(1.0, self.elapsed / self.budget)

    def path(self, name: str) -> str:
        """Where a file of the job is."""
        return str(Path(self.folder) / name)

    def image(self, number: int) -> np.ndarray:
        """Image ``(Z, Y, X)`` as float32 of mean 0 and deviation 1."""
        voxels = tifffile.imread(self.path(self.images[number])).astype(np.float32)
        return (voxels - voxels.mean()) / max(float(voxels.std()), 1e-6)

    def classes_of_paint(self) -> tuple[np.ndarray, np.ndarray]:
        """Class codes, and the index of its class at each painted voxel, -1 elsewhere."""
        paint = tifffile.imread(self.path(self.paint))
        values = np.unique(paint[paint > 0])
        indices = np.where(paint > 0, np.searchsorted(values, paint), -1)
        return values, indices.astype(np.int64)

    def write(self, number: int, labels: np.ndarray) -> None:
        """Write the labels of an image."""
        tifffile.imwrite(self.path(self.outputs[number]), labels.astype(np.uint8))

    def finish(self, spent: Spent) -> None:
        """Write result.json."""
        Path(self.path("result.json")).write_text(json.dumps(asdict(spent)))


@dataclass
class Spent:
    """What an answer cost: seconds of training, of labelling, optimiser steps; a remark."""

    seconds: float = 0.0
    predict_seconds: float = 0.0
    steps: int = 0
    remark: str = ""
    extra: dict = field(default_factory=dict)
