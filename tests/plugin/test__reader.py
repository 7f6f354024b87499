from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels, Layer

from napari_densify.core.labels import ClassTable
from napari_densify.io import open_labels, write_labels, write_volume
from napari_densify.plugin._reader import get_reader
from napari_densify.plugin._writer import write_image_layer, write_labels_layer

SPACING = (40.0, 4.5, 5.0)
CLASSES = ClassTable.from_values([1, 2], names={2: "nucleus"}, background=1)


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, (6, 20, 30), np.uint8)


def _open(path) -> list[Layer]:
    reader = get_reader(str(path))
    assert reader is not None
    return [Layer.create(*data) for data in reader(str(path))]


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_an_image_is_lazy_and_has_the_files_scale_and_units(suffix, labels, tmp_path):
    path = write_volume(tmp_path / f"a{suffix}", labels, spacing=SPACING, spacing_known=True)
    (layer,) = _open(path)
    assert isinstance(layer, Image)
    assert not isinstance(layer.data, np.ndarray)
    np.testing.assert_allclose(layer.scale, SPACING)
    assert [str(u) for u in layer.units] == ["nanometer"] * 3
    np.testing.assert_array_equal(layer.data[2], labels[2])
    assert layer.metadata["densify_source"] == str(path)


def test_no_voxel_size_is_not_one_nanometre(labels, tmp_path):
    (layer,) = _open(write_volume(tmp_path / "a.tif", labels))
    assert [str(u) for u in layer.units] == ["pixel"] * 3


def test_a_file_with_classes_is_a_labels_layer_in_their_colours(labels, tmp_path):
    (layer,) = _open(write_labels(tmp_path / "a.tif", labels, classes=CLASSES))
    assert isinstance(layer, Labels)
    color = bytes(round(255 * float(c)) for c in layer.get_color(2)[:3]).hex()
    assert f"#{color}" == CLASSES.classes[1].color


def test_large_labels_are_shown_from_a_pyramid_and_small_ones_can_be_painted(
    labels, tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_densify.io._pyramid._COARSEST", 16)
    path = write_labels(tmp_path / "a.zarr", labels, classes=CLASSES)
    assert not _open(path)[0].multiscale
    monkeypatch.setattr("napari_densify.plugin._reader._LARGEST_PAINTED", 16)
    (layer,) = _open(path)
    assert layer.multiscale
    np.testing.assert_array_equal(layer.data[1][...], labels[::2, ::2, ::2])


def test_each_channel_is_a_layer(labels, tmp_path):
    path = write_volume(tmp_path / "a.tif", np.stack([labels, labels + 1]))
    layers = _open(path)
    assert [layer.name for layer in layers] == ["a channel 0", "a channel 1"]
    np.testing.assert_array_equal(layers[1].data[3], labels[3] + 1)


def test_what_cannot_be_opened_is_left_to_other_readers(tmp_path):
    (tmp_path / "a.xyz").write_text("x")
    assert get_reader(str(tmp_path / "a.xyz")) is None
    assert get_reader(str(tmp_path / "missing.tif")) is None
    assert get_reader(["a.tif", "b.tif"]) is None
    assert get_reader(str(tmp_path)) is None


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_a_labels_layer_comes_back_with_classes_and_voxel_size(suffix, labels, tmp_path):
    (layer,) = _open(
        write_labels(
            tmp_path / "a.tif", labels, spacing=SPACING, spacing_known=True, classes=CLASSES
        )
    )
    layer.scale = np.asarray(SPACING) / 1000
    layer.units = ("um",) * 3
    target = tmp_path / f"b{suffix}"
    assert write_labels_layer(str(target), *layer.as_layer_data_tuple()[:2]) == [str(target)]
    volume = open_labels(target)
    assert volume.metadata["classes"] == CLASSES
    assert volume.spacing == pytest.approx(SPACING)
    np.testing.assert_array_equal(volume.read_labels(), labels)


def test_an_image_layer_is_written_at_its_finest_level(labels, tmp_path):
    layer = Image([labels, labels[:, ::2, ::2]], multiscale=True)
    write_image_layer(str(tmp_path / "a.tif"), *layer.as_layer_data_tuple()[:2])
    (back,) = _open(tmp_path / "a.tif")
    np.testing.assert_array_equal(back.data[:], labels)
    flat = Image(labels[0], scale=(2, 2), units=("nm", "nm"))
    write_image_layer(str(tmp_path / "b.tif"), *flat.as_layer_data_tuple()[:2])
    (back,) = _open(tmp_path / "b.tif")
    np.testing.assert_allclose(back.scale, (2, 2, 2))


def test_a_folder_with_a_pair_is_an_image_and_its_labels(tmp_path):
    tifffile.imwrite(tmp_path / "a_image.tif", np.zeros((3, 8, 9), np.uint8))
    tifffile.imwrite(tmp_path / "a_labels.tif", np.full((3, 8, 9), 2, np.uint8))
    image, labels = get_reader(str(tmp_path))(str(tmp_path))
    assert (image[2], labels[2]) == ("image", "labels")
    assert image[1]["name"] == "a_image"
    assert np.asarray(labels[0][1]).max() == 2


def test_labels_that_are_none_do_not_keep_the_image_from_opening(tmp_path):
    tifffile.imwrite(tmp_path / "a_image.tif", np.zeros((3, 8, 9), np.uint8))
    tifffile.imwrite(tmp_path / "a_labels.tif", np.full((3, 8, 9), 0.5, np.float32))
    (image,) = get_reader(str(tmp_path))(str(tmp_path))
    assert image[2] == "image"
