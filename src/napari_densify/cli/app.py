"""The program to which the command modules add their commands."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_densify import __version__

__all__ = ["app"]

app = typer.Typer(
    name="densify",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Paint a few slices, get the whole volume.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def densify(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Paint a few slices, get the whole volume."""
