from __future__ import annotations

import importlib
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

import napari_densify
from napari_densify.data import sample_names
from napari_densify.io import SUFFIXES

PACKAGE = Path(napari_densify.__file__).parent
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    """The manifest as napari finds it: through the installed distribution."""
    return PluginManifest.from_distribution("napari-densify")


def test_it_is_the_file_inside_the_package(manifest):
    file = PluginManifest.from_file(PACKAGE / "napari.yaml")
    assert file.name == manifest.name == "napari-densify"
    assert file.contributions == manifest.contributions


def test_the_top_level_file_is_a_link_to_it():
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    assert (ROOT / "napari.yaml").resolve() == PACKAGE / "napari.yaml"


def test_every_command_imports(manifest):
    manifest.validate_imports()
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_contribution_names_a_command(manifest):
    known = {command.id for command in manifest.contributions.commands}
    contributions = manifest.contributions
    for group in (contributions.widgets, contributions.sample_data, contributions.readers):
        for item in group or ():
            assert item.command in known


def test_every_readable_ending_is_offered():
    file = PluginManifest.from_file(PACKAGE / "napari.yaml")
    offered = [p for reader in file.contributions.readers for p in reader.filename_patterns]
    images = set(SUFFIXES) - {".ilp"}  # strokes: imported in the dock
    assert [s for s in images if not any(fnmatch(f"a{s}", p) for p in offered)] == []


def test_every_sample_opens(manifest):
    samples = manifest.contributions.sample_data
    assert {sample.key for sample in samples} == set(sample_names())
    commands = {c.id: c.python_name for c in manifest.contributions.commands}
    for sample in samples:
        module, _, name = commands[sample.command].partition(":")
        layers = getattr(importlib.import_module(module), name)()
        shapes = {np.shape(data) for data, _, _ in layers}
        assert len(shapes) == 1
        assert [kind for _, _, kind in layers][:2] == ["image", "labels"]
        assert all(attributes["units"] == ("nm",) * 3 for _, attributes, _ in layers)
