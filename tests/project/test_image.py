from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile

from napari_densify.core.errors import InputError
from napari_densify.core.volume import Volume
from napari_densify.project import Project, checksum, same_image

SHAPE = (8, 48, 40)


def test_checksum_tells_images_apart(rng):
    array = rng.integers(0, 255, (20, 300, 300)).astype(np.uint8)
    same = Volume(array.astype(np.uint8), name="other", spacing=(2.0, 2.0, 2.0))
    assert same_image(Volume(array), same)
    assert not same_image(Volume(array), Volume(255 - array))
    assert not same_image(Volume(array), Volume(array.astype(np.uint16)))
    assert not same_image(Volume(array), Volume(array[:, ::-1]))
    assert not same_image(Volume(array), Volume(array[None].repeat(2, 0)))
    assert not same_image(Volume(array), Volume(array[:-1]))


def test_checksum_does_not_depend_on_byte_order(rng):
    array = rng.integers(0, 9999, (2, 70, 70)).astype("<u2")
    assert checksum(Volume(array)) == checksum(Volume(array.astype(">u2")))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 64, 64), (2, 63, 300), (3, 2, 4, 5)])
def test_small_images_have_one_too(shape):
    assert checksum(Volume(np.zeros(shape))) != checksum(Volume(np.ones(shape)))


def test_little_is_read():
    class Counting:
        shape, dtype, read = (10000, 10000, 10000), np.dtype(np.uint8), 0

        def __getitem__(self, key):
            size = tuple(k.stop - k.start for k in key)
            self.read += int(np.prod(size))
            return np.zeros(size, np.uint8)

    data = Counting()
    checksum(Volume(data))
    assert data.read == 9 * 64 * 64


def test_project_and_image_moved_together_are_found(project, folder, tmp_path):
    project.close()
    folder.rename(tmp_path / "elsewhere")
    moved = Project.open(tmp_path / "elsewhere" / "probe.densify", read_only=True)
    assert moved.image().source == str(tmp_path / "elsewhere" / "volume ä.tif")


def test_a_project_moved_alone_finds_its_image(project, folder, tmp_path):
    project.close()
    (folder / "probe.densify").rename(tmp_path / "alone.densify")
    moved = Project.open(tmp_path / "alone.densify", read_only=True)
    assert moved.image().source == str(folder / "volume ä.tif")


def test_another_image_of_the_same_name_beside_the_project_is_not_taken(project, folder, tmp_path):
    project.close()
    (tmp_path / "new").mkdir()
    (folder / "probe.densify").rename(tmp_path / "new" / "probe.densify")
    tifffile.imwrite(tmp_path / "new" / "volume ä.tif", np.zeros(SHAPE, np.uint8))
    moved = Project.open(tmp_path / "new" / "probe.densify", read_only=True)
    assert moved.image().source == str(folder / "volume ä.tif")


def test_a_missing_image_is_told_and_found_again(project, image_file, tmp_path):
    image_file.rename(tmp_path / "renamed.tif")
    with pytest.raises(InputError, match="not there any more; bring it back, or say where"):
        Project.open(project.path, read_only=True).image()
    tifffile.imwrite(tmp_path / "wrong.tif", np.zeros(SHAPE, np.uint8))
    with pytest.raises(InputError, match="is another image"):
        project.relocate_image(str(tmp_path / "wrong.tif"))
    tifffile.imwrite(tmp_path / "small.tif", np.zeros((2, 9, 9), np.uint8))
    with pytest.raises(InputError, match="has shape"):
        project.relocate_image(str(tmp_path / "small.tif"), anyway=True)
    project.relocate_image(str(tmp_path / "renamed.tif"))
    again = Project.open(project.path, read_only=True)
    assert again.image().source == str(tmp_path / "renamed.tif")
    project.relocate_image(str(tmp_path / "wrong.tif"), anyway=True)
    assert project.image().read().max() == 0


def test_a_relative_address_outlives_a_change_of_the_working_folder(
    folder, image_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(folder)
    with Project.create("a.densify", image=image_file.name, shape=SHAPE) as project:
        monkeypatch.chdir(tmp_path)
        assert project.image().shape == SHAPE
        assert os.path.isabs(project.document.image.address)


def test_the_voxel_size_of_the_image_is_taken_where_none_is_stated(folder, rng):
    path = folder / "calibrated.tif"
    tifffile.imwrite(
        path, np.zeros(SHAPE, np.uint8), imagej=True, resolution=(100, 100),
        metadata={"axes": "ZYX", "spacing": 0.05, "unit": "um"},
    )  # fmt: skip
    with Project.create(folder / "a.densify", image=str(path), shape=SHAPE) as project:
        assert project.document.spacing_known
        np.testing.assert_allclose(project.spacing, (50, 10, 10))


def test_one_channel_of_an_image_is_used(folder, rng):
    path = folder / "channels.npy"
    array = rng.integers(0, 255, (2, *SHAPE)).astype(np.uint8)
    np.save(path, array)
    project = Project.create(folder / "a.densify", image=str(path), shape=SHAPE, channels=(1,))
    with project:
        np.testing.assert_array_equal(project.image().read()[0], array[1])
