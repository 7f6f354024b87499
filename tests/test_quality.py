"""Layers, types and style: what a reviewer would otherwise have to look for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Console scripts lie beside the interpreter; PATH may name another environment's.
SCRIPTS = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["lint-imports"],
        ["mypy"],
        ["ruff", "check"],
        ["ruff", "format", "--check"],
    ],
    ids=" ".join,
)
def test_clean(command):
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    program = SCRIPTS / command[0]
    done = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_layers_are_checked_by_import_linter():
    """The contracts really see the package: a forbidden import is found."""
    import grimp

    graph = grimp.build_graph("napari_densify", include_external_packages=True)
    importers = graph.find_modules_that_directly_import("torch")
    assert importers
    allowed = {"networks", "training", "inference"}
    assert {name.split(".")[1] for name in importers} <= allowed
