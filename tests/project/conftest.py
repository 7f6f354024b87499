from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_densify.project import Project

SHAPE = (8, 48, 40)


@pytest.fixture
def folder(tmp_path):
    """A folder whose name has a blank and umlauts."""
    path = tmp_path / "Köln Präparat 3"
    path.mkdir()
    return path


@pytest.fixture
def image_file(folder, rng):
    path = folder / "volume ä.tif"
    tifffile.imwrite(path, rng.integers(0, 255, SHAPE).astype(np.uint8))
    return path


@pytest.fixture
def project(folder, image_file):
    project = Project.create(
        folder / "probe.densify",
        image=str(image_file),
        shape=SHAPE,
        spacing=(40.0, 8.0, 8.0),
        spacing_known=True,
    )
    yield project
    project.close()
