from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_densify.core.errors import InputError
from napari_densify.training.crops import Crop
from napari_densify.training.sampler import PatchSampler


def make_crop(labels: np.ndarray) -> Crop:
    image = torch.arange(labels.size, dtype=torch.float32).reshape(1, *labels.shape)
    return Crop(image, None, torch.from_numpy(labels.astype(np.int16)), (0, 0, 0))


def test_a_patch_without_paint_is_never_drawn() -> None:
    labels = np.full((8, 64, 64), -1)
    labels[3, 10, 10], labels[6, 50, 5] = 0, 1
    sampler = PatchSampler([make_crop(labels)], (3, 16, 16), (1, 1, 1), classes=2)
    for _ in range(30):
        assert (sampler.draw(4).labels >= 0).flatten(1).any(1).all()


def test_rare_classes_are_drawn_as_often_as_frequent_ones() -> None:
    labels = np.zeros((1, 64, 64))
    labels[0, 30, 30] = 1
    sampler = PatchSampler([make_crop(labels)], (1, 8, 8), (1, 1, 1), classes=2)
    seen = sum(int((sampler.draw(1).labels == 1).any()) for _ in range(200))
    assert 70 < seen < 150


def test_image_features_and_labels_stay_together() -> None:
    labels = np.arange(4 * 32 * 32).reshape(4, 32, 32) % 2
    crop = make_crop(labels)
    crop = Crop(labels_as_image(labels), None, crop.labels, (0, 0, 0))
    batch = PatchSampler([crop], (2, 8, 8), (1, 1, 1), classes=2, seed=3).draw(16)
    assert torch.equal(batch.image[:, 0].long(), batch.labels)


def labels_as_image(labels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(labels[None].astype(np.float32))


def test_neighbouring_slices_come_along_with_the_image_only() -> None:
    labels = np.full((9, 16, 16), -1)
    labels[4] = np.arange(16) % 2
    image = torch.arange(9, dtype=torch.float32).view(1, 9, 1, 1).expand(1, 9, 16, 16).contiguous()
    crop = Crop(image, None, torch.from_numpy(labels.astype(np.int16)), (0, 0, 0))
    sampler = PatchSampler([crop], (1, 8, 8), (1, 1, 1), classes=2, reach=2, mirror=False)
    batch = sampler.draw(3)
    assert batch.image.shape == (3, 1, 5, 8, 8)
    assert batch.labels.shape == (3, 1, 8, 8)
    assert batch.image[0, 0, :, 0, 0].tolist() == [2, 3, 4, 5, 6]


def test_working_cells_hold_whole_voxels() -> None:
    labels = np.zeros((1, 32, 32))
    labels[0, :, 16:] = 1
    crop = Crop(
        labels_as_image(labels), torch.zeros(2, 1, 16, 16), make_crop(labels).labels, (0,) * 3
    )
    batch = PatchSampler([crop], (1, 8, 8), (1, 2, 2), classes=2).draw(5)
    assert batch.image.shape == (5, 1, 1, 16, 16)
    assert batch.features is not None
    assert batch.features.shape == (5, 2, 1, 8, 8)


def test_no_paint_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="no annotated voxel"):
        PatchSampler([make_crop(np.full((2, 8, 8), -1))], (1, 4, 4), (1, 1, 1), classes=2)
