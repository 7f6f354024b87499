"""The ``densify`` command."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Sequence

import typer.main

from napari_densify.cli import clock  # imported first: without /proc, the start of the process
from napari_densify.cli.app import app
from napari_densify.cli.commands import classic, demo, engine, model, volume
from napari_densify.cli.run import FAULT, INPUT, INTERRUPTED, complain
from napari_densify.cli.spread import spread
from napari_densify.core.errors import InputError

__all__ = ["main", "run_program"]

_COMMAND_MODULES = (clock, classic, demo, engine, model, volume)


def main() -> None:
    """Run the program and exit with its code."""
    if not sys.warnoptions:
        # Libraries' warnings are for developers; what a user must know is said by us.
        warnings.simplefilter("ignore")
    sys.exit(run_program(sys.argv[1:]))


def run_program(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code.

    Parameters
    ----------
    arguments
        Words after the program's name.
    """
    program = typer.main.get_command(app)
    try:
        words = spread(arguments, program) or ["--help"]
        code = program.main(words, prog_name="densify", standalone_mode=False)
    except InputError as error:
        complain(str(error))
        return INPUT
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return FAULT
    except Exception as error:
        return _failure(error)
    return code if isinstance(code, int) else 0


def _failure(error: Exception) -> int:
    """Tell a wrong command line, in one line, from a fault of ours."""
    say = getattr(error, "format_message", None)
    if say is None:
        complain(f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        return FAULT
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "densify"
    complain(f"{say()} (see {command} --help)")
    return INPUT
