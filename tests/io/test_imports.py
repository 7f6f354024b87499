from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.io import apply_import, plan_import, read_import, write_labels

RED, GREEN = (200, 0, 0), (0, 180, 20)


def _labels(address, **options) -> np.ndarray:
    source = read_import(address)
    return apply_import(source, plan_import(source, **options)).read_labels()


@pytest.fixture
def codes() -> np.ndarray:
    return np.random.default_rng(0).choice([0, 2, 5], (3, 20, 30)).astype(np.uint8)


def test_a_label_image_keeps_its_values_and_its_table(codes, tmp_path):
    table = ClassTable.from_values([2, 5], names={5: "nucleus"})
    write_labels(tmp_path / "a.tif", codes, classes=table)
    source = read_import(tmp_path / "a.tif")
    plan = plan_import(source)
    labels = apply_import(source, plan)
    np.testing.assert_array_equal(labels.read_labels(), codes)
    assert plan.classes.name(5) == "nucleus"
    assert plan.count() == {
        "unlabelled": (codes == 0).sum(),
        "class 2": (codes == 2).sum(),
        "nucleus": (codes == 5).sum(),
    }


def test_zero_can_become_the_background(codes, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", codes, photometric="minisblack")
    source = read_import(tmp_path / "a.tif")
    plan = plan_import(source, zero="background")
    labels = apply_import(source, plan).read_labels()
    np.testing.assert_array_equal(labels, codes + 1)
    assert plan.classes.background == 1
    assert plan.count()["unlabelled"] == 0
    assert plan.count()["background"] == (codes == 0).sum()


@pytest.mark.parametrize("largest", [1, 255])
def test_a_mask_is_one_class_or_two(largest, tmp_path):
    mask = np.random.default_rng(0).choice([0, largest], (3, 20, 30)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", mask, photometric="minisblack")
    np.testing.assert_array_equal(_labels(tmp_path / "a.tif"), mask > 0)
    np.testing.assert_array_equal(_labels(tmp_path / "a.tif", zero="background"), (mask > 0) + 1)


def test_object_numbers_are_no_classes(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.arange(400, dtype=np.uint16).reshape(20, 20))
    with pytest.raises(InputError, match="object numbers"):
        read_import(tmp_path / "a.tif")


@pytest.fixture
def masks(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A folder of colour-coded PNG masks, and the index of the colour of each voxel."""
    index = np.random.default_rng(0).integers(0, 3, (4, 20, 30))
    for z, plane in enumerate(index):
        rgb = np.array([(0, 0, 0), GREEN, RED], np.uint8)[plane]
        Image.fromarray(rgb).save(tmp_path / f"mask{z}.png")
    return tmp_path, index


def test_colours_become_classes_in_order(masks):
    folder, index = masks
    source = read_import(folder)
    assert [item.key for item in source.items] == ["#000000", "#00b414", "#c80000"]
    plan = plan_import(source)
    volume = apply_import(source, plan)
    np.testing.assert_array_equal(volume.read_labels(), index)
    assert [c.color for c in plan.classes.classes] == ["#00b414", "#c80000"]
    box = (slice(1, 3), slice(5, 9), slice(2, 30))
    np.testing.assert_array_equal(volume.read_labels(box), index[box])


def test_the_user_decides_what_a_colour_becomes(masks):
    folder, index = masks
    source = read_import(folder)
    plan = plan_import(source, zero="background").with_value(0xC80000, 0)
    labels = apply_import(source, plan).read_labels()
    np.testing.assert_array_equal(labels, np.choose(index, [1, 2, 0]))
    assert plan.count()["unlabelled"] == (index == 2).sum()
    merged = plan_import(source).with_value(0xC80000, 1)
    assert merged.classes.values == (1,)
    np.testing.assert_array_equal(apply_import(source, merged).read_labels(), index > 0)
    with pytest.raises(InputError, match="holds no value 77"):
        plan.with_value(77, 1)


def test_a_photograph_is_no_mask(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="different colours; a photograph"):
        read_import(tmp_path / "a.png")


def _ilastik(path: Path, *, shape=None) -> np.ndarray:
    """Project with two strokes, as ilastik 1.4 stores them: one block each, with channel."""
    h5py = pytest.importorskip("h5py")
    dense = np.zeros((6, 20, 30), np.uint8)
    dense[2, 3:6, 4:9] = 1
    dense[4, 10:12, 0:30] = 2
    with h5py.File(path, "w") as file:
        for i, box in enumerate([np.s_[2:3, 3:6, 4:9], np.s_[4:5, 10:12, 0:30]]):
            block = file.create_dataset(
                f"PixelClassification/LabelSets/labels000/block{i:04d}", data=dense[box][..., None]
            )
            bounds = ",".join(f"{s.start}:{s.stop}" for s in box)
            block.attrs["blockSlice"] = f"[{bounds},0:1]"
        names = np.array([b"membrane", b"inside"])
        file["PixelClassification/LabelNames"] = names
        file["PixelClassification/LabelColors"] = [[255, 225, 25], [0, 130, 200]]
        if shape is not None:
            info = file.create_group("Input Data/infos/lane0000/Raw Data")
            info["shape"] = shape
            info["axistags"] = json.dumps({"axes": [{"key": k} for k in "zyxc"]})
    return dense


def test_ilastik_strokes_with_their_names_and_colours(tmp_path):
    dense = _ilastik(tmp_path / "a.ilp", shape=(6, 20, 30, 3))
    source = read_import(tmp_path / "a.ilp")
    plan = plan_import(source)
    np.testing.assert_array_equal(apply_import(source, plan).read_labels(), dense)
    assert plan.count() == {"unlabelled": 3525, "membrane": 15, "inside": 60}
    assert [c.color for c in plan.classes.classes] == ["#ffe119", "#0082c8"]


def test_an_ilastik_project_without_shape_needs_the_image(tmp_path):
    dense = _ilastik(tmp_path / "a.ilp")
    with pytest.raises(InputError, match="open the image first"):
        read_import(tmp_path / "a.ilp")
    source = read_import(tmp_path / "a.ilp", shape=dense.shape)
    labels = apply_import(source, plan_import(source)).read_labels()
    np.testing.assert_array_equal(labels, dense)
    with pytest.raises(InputError, match="lie outside the image"):
        read_import(tmp_path / "a.ilp", shape=(6, 20, 10))


def _coco(path: Path, **changes) -> None:
    content = {
        "images": [
            {"id": 7, "file_name": "z10.png", "height": 20, "width": 30},
            {"id": 3, "file_name": "z2.png", "height": 20, "width": 30},
        ],
        "categories": [{"id": 12, "name": "cell"}, {"id": 5, "name": "nucleus"}],
        "annotations": [
            {"image_id": 3, "category_id": 12, "segmentation": [[2, 3, 12, 3, 12, 9, 2, 9]]},
            {"image_id": 3, "category_id": 5, "segmentation": [[4, 5, 6, 5, 6, 7, 4, 7]]},
            {
                "image_id": 7,
                "category_id": 5,
                "segmentation": {"size": [20, 30], "counts": [20, 40, 540]},
            },
        ],
    }
    path.write_text(json.dumps(content | changes))


def test_coco_polygons_and_run_lengths_become_slices_in_natural_order(tmp_path):
    _coco(tmp_path / "a.json")
    source = read_import(tmp_path / "a.json")
    plan = plan_import(source)
    expected = np.zeros((2, 20, 30), np.uint8)
    expected[0, 3:9, 2:12] = 2
    expected[0, 5:7, 4:6] = 1
    expected[1, :, 1:3] = 1
    np.testing.assert_array_equal(apply_import(source, plan).read_labels(), expected)
    assert plan.count() == {"unlabelled": 1100, "nucleus": 44, "cell": 56}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "no images"),
        ({"categories": []}, "no categories"),
        ({"images": [{"id": i, "height": 9 + i, "width": 9} for i in range(2)]}, "different sizes"),
        ({"annotations": [{"image_id": 99, "category_id": 12, "segmentation": []}]}, "damaged"),
        (
            {"annotations": [{"image_id": 3, "category_id": 5, "segmentation": {"counts": "abc"}}]},
            "compressed run lengths",
        ),
        (
            {
                "annotations": [
                    {
                        "image_id": 3,
                        "category_id": 5,
                        "segmentation": {"size": [20, 30], "counts": [1, 2]},
                    }
                ]
            },
            "do not fit",
        ),
    ],
)
def test_bad_coco_files_are_one_line(changes, message, tmp_path):
    _coco(tmp_path / "a.json", **changes)
    with pytest.raises(InputError, match=message) as caught:
        read_import(tmp_path / "a.json")
    assert str(tmp_path / "a.json") in str(caught.value)


def test_json_of_another_kind(tmp_path):
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="cannot be read as COCO JSON"):
        read_import(tmp_path / "a.json")


def test_an_ilastik_stroke_of_another_shape_than_it_states(tmp_path):
    h5py = pytest.importorskip("h5py")
    _ilastik(tmp_path / "a.ilp", shape=(6, 20, 30, 3))
    with h5py.File(tmp_path / "a.ilp", "r+") as file:
        block = file["PixelClassification/LabelSets/labels000/block0000"]
        block.attrs["blockSlice"] = "[2:3,3:5,4:9,0:1]"
    with pytest.raises(InputError, match="have shape"):
        read_import(tmp_path / "a.ilp")
