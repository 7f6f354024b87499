from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_densify.cli.main import run_program
from napari_densify.core.labels import ClassTable
from napari_densify.io import create_sink, write_labels


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


@pytest.fixture
def files(tmp_path, balls) -> Files:
    volume, truth = balls
    whole = (slice(None), slice(None), slice(None))
    sink = create_sink(
        tmp_path / "balls.tif",
        shape=volume.shape,
        dtype=volume.dtype,
        spacing=volume.spacing,
        spacing_known=True,
    )
    sink.write(tuple(slice(0, n) for n in volume.shape), volume.data[whole])
    image = sink.close()
    paint = np.zeros_like(truth)
    paint[[2, 5]] = truth[[2, 5]]
    table = ClassTable.default()
    return Files(
        tmp_path,
        str(image),
        str(write_labels(tmp_path / "truth.tif", truth, classes=table)),
        str(write_labels(tmp_path / "paint.tif", paint, classes=table)),
    )


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
