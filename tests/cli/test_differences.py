"""Volumes unlike those of the training: said, and rescaled where the user wants it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_densify.io import open_image, open_labels, write_volume


@pytest.fixture
def model(densify, files):
    """A model of voxels of 20 x 10 x 10 nm that has learned a little."""
    target = files.folder / "model.safetensors"
    outcome = densify(
        "train", files.image, "--annotations", files.paint, "-o", target, "--steps", 8,
        "--set", "base_channels=4", "depth=2", "patch=1,32,32", "features=false", "threads=1",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    return target


def predict(densify, files, model, image, *words):
    target = files.folder / "out.tif"
    words = ("--set", "mirrors=1", *words)
    outcome = densify("predict", image, "--model", model, "-o", target, *words)
    assert outcome.code == 0, outcome.err
    return open_labels(target).read_labels(), outcome.out


def test_another_voxel_size_is_said_and_can_be_rescaled(densify, files, model):
    voxels = open_image(files.image).read()[0][:, :, ::-1]
    same = {"spacing": (20, 10, 10), "spacing_known": True}
    coarse = write_volume(files.folder / "coarse.tif", voxels, **same)
    expected, said = predict(densify, files, model, coarse)
    assert "differs" not in said
    assert len(np.unique(expected)) == 2
    finer = np.repeat(np.repeat(voxels, 2, 1), 2, 2)
    fine = write_volume(files.folder / "fine.tif", finer, spacing=(20, 5, 5), spacing_known=True)
    _, said = predict(densify, files, model, fine)
    assert "voxel size 20 x 5 x 5 nm differs" in said
    assert "rescale=true" in said
    labels, said = predict(densify, files, model, fine, "rescale=true")
    assert "differs" not in said
    np.testing.assert_array_equal(labels, np.repeat(np.repeat(expected, 2, 1), 2, 2))
    part, _ = predict(densify, files, model, fine, "rescale=true", "--region", "1:3,10:60,0:96")
    same_part, _ = predict(densify, files, model, coarse, "--region", "1:3,5:30,0:48")
    np.testing.assert_array_equal(part, np.repeat(np.repeat(same_part, 2, 1), 2, 2))
    assert not part[0].any()
    assert not part[1:3, :10].any()


def test_an_unknown_voxel_size_cannot_be_rescaled(densify, files, model):
    voxels = open_image(files.image).read()[0][:, :, ::-1]
    plain = write_volume(files.folder / "plain.tif", voxels)
    target = files.folder / "out.tif"
    outcome = densify("predict", plain, "--model", model, "-o", target, "--set", "rescale=true")
    assert outcome.code == 2
    assert "the image's voxel size is not known" in outcome.err


def test_other_grey_values_are_said_and_rescaled(densify, files, model):
    voxels = open_image(files.image).read()[0][:, :, ::-1]
    expected, said = predict(densify, files, model, write_volume(files.folder / "a.tif", voxels))
    assert "intensities" not in said
    brighter = (voxels.astype(np.uint16) * 20 + 1000).astype(np.uint16)
    bright = write_volume(files.folder / "bright.tif", brighter)
    labels, said = predict(densify, files, model, bright)
    assert "differ from the" in said
    assert "intensities=model" in said
    assert (labels == expected).mean() > 0.999
    raw, said = predict(densify, files, model, bright, "intensities=model")
    assert "intensities" not in said
    assert (raw == expected).mean() < 0.99  # so bright, it has never seen any
