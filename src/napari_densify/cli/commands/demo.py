"""``demo``: the whole way on a bundled volume."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from napari_densify.cli.app import app
from napari_densify.cli.options import Budget, Device, Json, Seed
from napari_densify.cli.run import run
from napari_densify.cli.tables import show_demo
from napari_densify.cli.values import parse_duration
from napari_densify.core.requests import DemoRequest
from napari_densify.core.settings import TrainSettings, validated
from napari_densify.data import sample_files


@app.command()
def demo(
    gui: Annotated[
        bool, typer.Option("--gui", help="Only open the volume and its paint in the viewer.")
    ] = False,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="Where the results go.")
    ] = "demo-output",
    sample: Annotated[str, typer.Option(metavar="NAME", help="fibsem or nuclei.")] = "fibsem",
    budget: Budget = "75s",
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train on a bundled real volume, predict, compare, and write a report."""
    if gui:
        raise typer.Exit(_open_viewer(sample))

    def request() -> DemoRequest:
        wishes = {"budget_s": parse_duration(budget), "device": device, "seed": seed}
        settings = validated(TrainSettings, wishes, where="densify demo")
        return DemoRequest(output=output, sample=sample, settings=settings)

    raise typer.Exit(run(request, show_demo, as_json=json))


def _open_viewer(sample: str) -> int:
    """Open the viewer in a process of its own and wait for its end."""
    name = sample_files(sample).name
    command = [sys.executable, "-m", "napari_densify.plugin.launch", name]
    code = subprocess.run(command, check=False).returncode
    return 1 if code < 0 else code  # killed by a signal, as Qt ends without a display
