"""``densify import``: a look first, then a label file, paint of a project, labels of an image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_densify.io import open_image, open_labels, write_volume
from napari_densify.project import Project

RED, GREEN = (200, 0, 0), (0, 180, 20)


@pytest.fixture
def masks(tmp_path):
    """Colour-coded masks of the size of the balls, and the index of each voxel's colour."""
    index = np.random.default_rng(0).integers(0, 3, (8, 48, 48))
    (tmp_path / "mäsken").mkdir()
    for z, plane in enumerate(index):
        rgb = np.array([(0, 0, 0), GREEN, RED], np.uint8)[plane]
        Image.fromarray(rgb).save(tmp_path / "mäsken" / f"{z}.png")
    return tmp_path / "mäsken", index


def test_a_look_writes_nothing(densify, masks, tmp_path):
    folder, index = masks
    before = sorted(tmp_path.rglob("*"))
    outcome = densify("import", folder)
    assert outcome.code == 0, outcome.err
    assert "colour-coded mask" in outcome.out
    assert "nothing is written" in outcome.out
    result = densify("import", folder, "--json").result
    assert result["voxels"] == {
        "unlabelled": (index == 0).sum(),
        "class 1": (index == 1).sum(),
        "class 2": (index == 2).sum(),
    }
    assert sorted(tmp_path.rglob("*")) == before


def test_a_table_of_colours_and_words_decide_what_becomes_what(densify, files, masks):
    folder, index = masks
    table = files.folder / "colours.csv"
    table.write_text("colour,class,name\n#00b414,2,inside\n#c80000,1,membrane\n", "utf-8")
    target = files.folder / "labels.tif"
    outcome = densify(
        "import", folder, "-o", target, "--image", files.image, "--table", table,
        "--map", "#000000=3:outside", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    labels = open_labels(target)
    np.testing.assert_array_equal(labels.read_labels(), np.array([3, 2, 1])[index])
    assert [c.name for c in labels.metadata["classes"].classes] == ["membrane", "inside", "outside"]
    assert labels.spacing_known


def test_paint_of_a_project_is_kept_unless_it_is_to_be_replaced(densify, files, masks):
    folder, index = masks
    project = Project.create(files.folder / "p.densify", shape=(8, 48, 48), image=files.image)
    painted = project.painted()
    painted[0] = 1
    painted.close()
    project.close()
    outcome = densify("import", folder, "-o", project.path, "--map", "#c80000=7:vesicle")
    assert outcome.code == 0, outcome.err
    found = Project.open(project.path, read_only=True)
    labels = found.annotations().read(tuple(slice(0, n) for n in (8, 48, 48)))
    assert (labels[0] == 1).all()
    np.testing.assert_array_equal(labels[1:], np.array([0, 1, 7])[index][1:])
    assert found.classes.name(1) == "background", "what is painted keeps its name"
    assert found.classes.name(7) == "vesicle"
    assert [s["step"] for s in found.history()] == ["import"]
    assert densify("import", folder, "-o", project.path, "--replace").code == 0
    labels = Project.open(project.path, read_only=True).annotations()
    assert labels.slice_counts()[0] == {1: (index[0] != 2).sum(), 2: (index[0] == 2).sum()}


def test_what_0_means_is_said(densify, masks, tmp_path):
    target = tmp_path / "labels.zarr"
    assert densify("import", masks[0], "-o", target, "--zero", "background").code == 0
    labels = open_labels(target)
    np.testing.assert_array_equal(labels.read_labels(), masks[1] + 1)
    assert labels.metadata["classes"].background == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--map", "#123456=1"], "holds no '#123456'; it holds: #000000"),
        (["--map", "red"], "is not ITEM=VALUE"),
        (["--map", "#c80000=nucleus"], "'nucleus' is no class"),
        (["--zero", "nothing"], "say unlabelled or background"),
        (["--table", "missing.csv"], "cannot be read as a table"),
        (["-o", "labels.jpg"], "the ending tells the format"),
    ],
)
def test_bad_words_are_one_line(densify, masks, words, message):
    outcome = densify("import", masks[0], *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_annotations_of_another_volume_are_refused(densify, files, masks, tmp_path):
    other = files.labels("other.tif", np.ones((2, 9, 9), np.uint8))
    outcome = densify("import", masks[0], "-o", tmp_path / "o.tif", "--image", other)
    assert outcome.code == 2
    assert "has shape (8, 48, 48)" in outcome.err
    assert not (tmp_path / "o.tif").exists()


def test_a_project_that_a_viewer_holds_is_not_painted_on(densify, files, masks):
    with Project.create(files.folder / "p.densify", shape=(8, 48, 48), image=files.image) as held:
        outcome = densify("import", masks[0], "-o", held.path)
        assert outcome.code == 2
        assert "another viewer" in outcome.err
        assert held.annotations().counts() == {}


def test_labels_go_back_into_the_image_that_they_belong_to(densify, files):
    image = files.folder / "image.zarr"
    write_volume(image, open_image(files.image).read()[0], spacing=(20, 10, 10), spacing_known=True)
    target = f"{image}::labels/cells"
    outcome = densify("import", files.paint, "-o", target, "--json")
    assert outcome.code == 0, outcome.err
    paint = open_labels(files.paint).read_labels()
    assert outcome.result["painted"] == np.count_nonzero(paint)
    np.testing.assert_array_equal(open_labels(target).read_labels(), paint)
    again = densify("import", files.truth, "-o", target)
    assert again.code == 2
    assert "--replace" in again.err
    assert densify("import", files.truth, "-o", target, "--replace").code == 0
    truth = open_labels(files.truth).read_labels()
    np.testing.assert_array_equal(open_labels(target).read_labels(), truth)
    np.testing.assert_array_equal(open_image(image).read(), open_image(files.image).read())


@pytest.mark.parametrize(
    ("output", "said"),
    [("{}.zarr::cells", "IMAGE.zarr::labels/NAME"), ("{}::labels/cells", "")],
)
def test_labels_go_into_no_other_place(densify, files, output, said):
    outcome = densify("import", files.paint, "-o", output.format(files.folder / "none"))
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert said in outcome.err
