"""``engine`` and ``doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_densify.cli.app import app
from napari_densify.cli.options import Json
from napari_densify.cli.run import run
from napari_densify.cli.tables import show_doctor
from napari_densify.core.requests import DoctorRequest


@app.command()
def engine(
    light: Annotated[bool, typer.Option("--light", help="Never load torch.")] = False,
) -> None:
    """Be the process that the viewer talks to: requests on stdin, events on stdout."""
    from napari_densify.engine.process import main

    main(light=light)


@app.command()
def doctor(json: Json = False) -> None:
    """Say which device, which speed and what is missing, with the fix."""
    raise typer.Exit(run(DoctorRequest, show_doctor, as_json=json))
