"""Images and labels that lie side by side, told by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.io import (
    can_open,
    describe,
    find_labels,
    list_datasets,
    open_image,
    open_labels,
    pair_in,
    write_ome_labels,
    write_volume,
)


def make(folder: Path, *names: str, value: int = 1, pages: int = 3) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        pixels = np.full((pages, 8, 8), value, np.uint8)
        if name.endswith("png"):
            Image.fromarray(pixels[0]).save(folder / name)
        else:
            tifffile.imwrite(folder / name, pixels, metadata={"axes": "ZYX"})


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("a_image.tif", "a_labels.tif"),
        ("a.tif", "a_labels.tif"),
        ("a.ome.tif", "a-mask.png"),
        ("Cell 3 raw.tif", "Cell 3 Annotations.tif"),
        ("image.tif", "labels.tif"),
        ("images/a.tif", "labels/a.tif"),
        ("images/a_raw.tif", "masks/a_mask.tif"),
        ("train/images/a.v2.tif", "train/annotations/a.v2.tif"),
    ],
)
def test_labels_are_found_beside_their_image(image, labels, tmp_path):
    make(tmp_path, image, labels, "other.tif", "other_labels.tif", "a_truth.tif")
    assert find_labels(str(tmp_path / image)) == str(tmp_path / labels)
    assert find_labels(str(tmp_path / labels)) == ""


@pytest.mark.parametrize(
    "names",
    [
        ("a_image.tif",),
        ("a_image.tif", "b_labels.tif"),
        ("a.tif", "a_truth.tif"),
        ("a.tif", "a_labels.txt"),
        ("a1.tif", "a10_labels.tif"),
        ("a.tif", "a_prediction.tif", "labels/b.tif"),
    ],
)
def test_what_is_no_pair(names, tmp_path):
    make(tmp_path, *(n for n in names if not n.endswith("txt")))
    for name in names:
        (tmp_path / name).touch()
    assert find_labels(str(tmp_path / names[0])) == ""
    assert pair_in(str(tmp_path)) is None


def test_paint_comes_before_a_mask(tmp_path):
    make(tmp_path, "a.tif", "a_mask.tif", "a_paint.tif", "a_seg.tif")
    assert find_labels(str(tmp_path / "a.tif")) == str(tmp_path / "a_paint.tif")


def test_a_folder_with_a_pair_is_its_image(tmp_path):
    make(tmp_path, "a_image.tif", value=7)
    make(tmp_path, "a_labels.tif", value=2)
    (tmp_path / "notes.txt").write_text("by hand")
    assert can_open(str(tmp_path))
    volume = open_image(tmp_path)
    assert volume.shape == (3, 8, 8)
    assert volume.read().max() == 7
    assert describe(tmp_path).shape == (3, 8, 8)
    assert list_datasets(tmp_path)[0].shape == (3, 8, 8)
    assert find_labels(str(tmp_path)) == str(tmp_path / "a_labels.tif")


def test_folders_of_slices_side_by_side(tmp_path):
    make(tmp_path, *(f"images/z{z}.png" for z in range(3)), value=9)
    make(tmp_path, *(f"labels/z{z}.png" for z in range(3)), value=2)
    labels = str(tmp_path / "labels")
    assert open_image(tmp_path).read().shape == (1, 3, 8, 8)
    assert find_labels(str(tmp_path)) == labels
    assert find_labels(str(tmp_path / "images")) == labels
    assert (open_labels(labels).read_labels() == 2).all()


def test_a_folder_of_slices_with_their_labels_inside(tmp_path):
    make(tmp_path, *(f"z{z}.png" for z in range(3)), *(f"labels/z{z}.png" for z in range(3)))
    assert open_image(tmp_path).shape == (3, 8, 8)
    assert find_labels(str(tmp_path)) == str(tmp_path / "labels")


def test_slices_and_their_labels_in_one_folder(tmp_path):
    folder = tmp_path / "mixed [1]"
    make(folder, *(f"z{z}_image.png" for z in range(3)), value=9)
    make(folder, *(f"z{z}_mask.png" for z in range(3)), value=2)
    volume = open_image(folder)
    assert volume.shape == (3, 8, 8)
    assert (volume.read() == 9).all()
    labels = open_labels(find_labels(str(folder)))
    assert labels.shape == (3, 8, 8)
    assert (labels.read_labels() == 2).all()


def test_slices_that_only_sound_like_labels_are_slices(tmp_path):
    make(tmp_path, *(f"mask_{z}.png" for z in range(3)))
    assert open_image(tmp_path).shape == (3, 8, 8)
    make(tmp_path, "z0.png", "z1.png")
    assert open_image(tmp_path).shape == (5, 8, 8)


def test_several_pairs_are_not_one_volume(tmp_path):
    make(tmp_path, "a_image.tif", "a_labels.tif", "b_image.tif", "b_labels.tif")
    assert pair_in(str(tmp_path)) is None
    with pytest.raises(InputError, match="open one of the files"):
        open_image(tmp_path)


def test_labels_inside_an_ome_zarr(tmp_path):
    image = write_volume(tmp_path / "a.zarr", np.ones((3, 8, 8), np.uint8))
    assert find_labels(str(image)) == ""
    make(tmp_path, "a_labels.tif")
    assert find_labels(str(image)) == str(tmp_path / "a_labels.tif")
    write_ome_labels(
        image, "cells", np.full((3, 8, 8), 2, np.uint8), classes=ClassTable.from_values([1, 2])
    )
    assert find_labels(str(image)) == f"{image}::labels/cells"
    assert (open_labels(find_labels(str(image))).read_labels() == 2).all()


@pytest.mark.parametrize("address", ["https://x.org/a.zarr", "nowhere/*.tif", "no.tif", ""])
def test_addresses_that_have_nothing_beside_them(address):
    assert find_labels(address) == ""
