"""What importing costs: napari imports plugins at start-up, users wait for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "sklearn")
LOADED = f"import sys; print(*sorted(set({HEAVY}) & set(sys.modules)))"


def loaded_by(code: str) -> list[str]:
    """Which of the heavy libraries a fresh interpreter has loaded after running code."""
    command = [sys.executable, "-c", f"{code}\n{LOADED}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


def test_the_probe_sees_what_is_loaded():
    assert loaded_by("import sklearn") == ["sklearn"]


@pytest.mark.parametrize(
    "code",
    [
        "import napari_densify",
        "from npe2 import PluginManifest; PluginManifest.from_distribution('napari-densify')",
        "import napari_densify.core.labels, napari_densify.core.requests",
        "import napari_densify.data",
        "import napari_densify.io",
        "import napari_densify.annotations",
        "import napari_densify.project",
        "import napari_densify.classical",
        "import napari_densify.evaluation",
        "import napari_densify.plugin",
        "import napari_densify.cli.main",
    ],
)
def test_neither_torch_nor_sklearn(code):
    assert loaded_by(code) == []


def test_every_command_of_the_manifest_without_torch_or_sklearn():
    code = """
from npe2 import PluginManifest
manifest = PluginManifest.from_distribution('napari-densify')
commands = [command.python_name for command in manifest.contributions.commands]
import importlib
for name in commands:
    module, _, attribute = name.partition(':')
    assert callable(getattr(importlib.import_module(module), attribute)), name
assert commands
"""
    assert loaded_by(code) == []
