from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.model_file import SPEC_KEY
from napari_densify.core.settings import NetworkConfig


@pytest.fixture
def trained(project):
    project.update(classes=ClassTable.from_values([1, 2], names={2: "membrane"}, background=1))
    painted = project.painted()
    painted[1, :10] = 1
    painted[3, :5] = 2
    painted.close()
    project.set_held_out([3])
    made = project.new_round()
    spec = ModelSpec(
        network=NetworkConfig(),
        classes=project.classes,
        spacing=project.spacing,
        training={"steps": 321, "seconds": 12.5, "torch": "2.13.0", "plan": {"loss": "dice-ce"}},
    )
    save_file({"x": np.zeros(1)}, made.model, metadata={SPEC_KEY: spec.model_dump_json()})
    made.rename("first try")
    made.save_scores({"held_out": {"dice": {"2": 0.87654}, "slices": [3]}})
    project.log("train", {})
    return project


def test_it_says_what_a_paper_must_say(trained):
    text = trained.export_methods()
    assert "volume ä: 8 x 48 x 40 voxels (Z, Y, X), uint8, voxel size 40 x 8 x 8 nm" in text
    assert "600 voxels (3.91 % of the volume) on 2 of 8 slices" in text
    assert "class 1 (code 1, background): 400 voxels, 66.7%" in text
    assert "- membrane (code 2): 200 voxels, 33.3%" in text
    assert "never trained on): slices 3." in text
    assert "## first try" in text
    assert "321 steps in 12.5 s, PyTorch 2.13.0. loss dice-ce." in text
    assert "Dice on held-out slices (3): membrane 0.877." in text
    assert ": train (version " in text


def test_an_empty_project_has_one_too(project):
    project.update(spacing_known=False)
    text = project.export_methods()
    assert "0 voxels (0 % of the volume)" in text
    assert "voxel size unknown" in text
    assert "No slice was held out" in text
    assert "None is recorded" in text


def test_a_broken_model_is_no_obstacle(trained):
    trained.round(1).model.write_bytes(b"broken")
    assert "Its model cannot be read" in trained.export_methods()
