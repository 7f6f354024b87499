"""The weight map of the U-Net paper against brute force."""

import numpy as np
import torch

from napari_densify.training.border_weights import border_weight_map, border_weights


def brute_force(objects: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    result = np.zeros(objects.shape)
    ids = [i for i in np.unique(objects) if i]
    for pixel in zip(*np.nonzero(objects == 0), strict=True):
        distances = sorted(
            min(np.hypot(*(np.array(pixel) - q)) for q in np.argwhere(objects == i)) for i in ids
        )
        if len(distances) > 1:
            result[pixel] = w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
    return result


def three_objects() -> np.ndarray:
    objects = np.zeros((18, 22), np.int32)
    objects[2:8, 1:6] = 1
    objects[3:9, 8:14] = 2
    objects[12:17, 6:20] = 3
    return objects


def test_equals_brute_force() -> None:
    for sigma in (1.0, 5.0):
        found = border_weight_map(three_objects(), w0=10, sigma=sigma)
        np.testing.assert_allclose(found, brute_force(three_objects(), 10, sigma), atol=1e-3)


def test_a_single_object_has_no_border_weight() -> None:
    objects = (three_objects() == 2).astype(np.int32)
    assert border_weight_map(objects, w0=10, sigma=5).max() == 0


def test_batches_are_weighted_slice_by_slice_on_background_only() -> None:
    target = torch.full((1, 2, 18, 22), -1)
    objects = three_objects()
    target[0, 1] = torch.from_numpy((objects > 0).astype(np.int64))
    target[0, 1, :, 0] = -1
    weights = border_weights(target, background=0, w0=10, sigma=5).numpy()
    expected = np.where(target[0, 1].numpy() == 0, brute_force(objects, 10, 5), 0)
    np.testing.assert_allclose(weights[0, 1], expected, atol=1e-3)
    assert weights[0, 0].max() == 0
