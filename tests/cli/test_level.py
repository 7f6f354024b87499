"""Every command takes a coarser level of a pyramid, so that its models can be used and compared."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_densify.io import open_image, open_labels


@pytest.fixture
def pyramid(files):
    """An image whose level 1 is the painted volume."""
    coarse = open_image(files.image).read()[0]
    path = files.folder / "pyramid.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        options = {"tile": (16, 16), "photometric": "minisblack"}
        fine = coarse.repeat(2, 1).repeat(2, 2)
        writer.write(fine, subifds=1, metadata={"axes": "ZYX"}, **options)
        writer.write(coarse, subfiletype=1, **options)
    return str(path)


def test_a_coarser_level_all_the_way(densify, files, pyramid):
    shape = open_labels(files.paint).shape
    out, model = files.folder / "out.tif", files.folder / "m.safetensors"
    paint = ("--annotations", files.paint)
    small = ("--set", "base_channels=4", "depth=2", "patch=1,32,32", "features=false")

    def run(*words):
        outcome = densify(*words, "--level", 1, "--json")
        assert outcome.code == 0, outcome.err
        return outcome.result

    assert run("info", pyramid)["shape"] == list(shape)
    run("train", pyramid, *paint, "-o", model, "--steps", 1, "--held-out", "2", *small)
    for words in (("predict", pyramid, "--model", model), ("classical", "otsu", pyramid)):
        run(*words, "-o", out)
        assert open_labels(out).shape == shape
    assert run("suggest", pyramid, "--model", model, *paint)["suggestions"]
    report = files.folder / "report"
    words = ("--model", model, "--methods", "threshold", "--tuning", "0s", "-o", report)
    compared = run("compare", pyramid, *paint, *words)
    assert compared["held_out"] == [2]  # it is known again as the image of the training
    assert None not in [row["mean Dice"] for row in compared["rows"]]
    page = (report / "report.html").read_text()
    assert page.count("--level 1") == 3
    assert np.unique(open_labels(report / "labels" / "threshold.tif").read_labels()).size == 2


def test_a_level_that_is_none_is_refused(densify, files):
    outcome = densify("info", files.image, "--level", -1)
    assert outcome.code == 2
