from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_densify.cli import run as cli
from napari_densify.cli.main import run_program
from napari_densify.core.events import Progress
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Volume
from napari_densify.io import write_labels, write_volume


@dataclass(frozen=True)
class Files:
    """A small volume with truth and paint, as files."""

    folder: Path
    image: str
    truth: str
    paint: str

    def labels(self, name: str, array: np.ndarray) -> str:
        """Write one more label file."""
        return str(write_labels(self.folder / name, array))


def make_files(folder: Path, volume: Volume, truth: np.ndarray) -> Files:
    """Write a volume, its truth, and two of its slices as paint."""
    image = write_volume(
        folder / "balls.tif", volume.data, spacing=volume.spacing, spacing_known=True
    )
    paint = np.zeros_like(truth)
    paint[[2, 5]] = truth[[2, 5]]
    table = ClassTable.default()
    return Files(
        folder,
        str(image),
        str(write_labels(folder / "truth.tif", truth, classes=table)),
        str(write_labels(folder / "paint.tif", paint, classes=table)),
    )


@pytest.fixture
def files(tmp_path, balls) -> Files:
    return make_files(tmp_path, *balls)


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        return self.events[-1]["result"]


@pytest.fixture
def densify(capfd) -> Callable[..., Outcome]:
    """Runs a command line in this process."""

    def _run(*words: object) -> Outcome:
        capfd.readouterr()
        code = run_program([str(word) for word in words])
        said = capfd.readouterr()
        return Outcome(code, said.out, said.err)

    return _run


def stop_after(monkeypatch, blocks):
    """Press Ctrl-C once so many blocks are done."""
    guarded = cli.guarded

    def watched(request, control):
        for event in guarded(request, control):
            if isinstance(event, Progress) and event.done >= blocks:
                control.stop = True
            yield event

    monkeypatch.setattr(cli, "guarded", watched)
