from __future__ import annotations

import numpy as np

from napari_densify.annotations import ArrayAnnotations
from napari_densify.classical.features import compute_features
from napari_densify.core.labels import ClassTable
from napari_densify.core.normalisation import measure_intensity, normalise
from napari_densify.core.settings import FeatureConfig, NetworkConfig
from napari_densify.core.volume import Volume
from napari_densify.training.crops import (
    measure_features,
    merge_boxes,
    read_crop,
    repaint_crop,
    training_regions,
)
from napari_densify.training.plan import TrainPlan

BOX = tuple[slice, slice, slice]


def box(*bounds: int) -> BOX:
    z0, z1, y0, y1, x0, x1 = bounds
    return slice(z0, z1), slice(y0, y1), slice(x0, x1)


def test_regions_cover_paint_and_margin_and_stay_inside() -> None:
    (region,) = training_regions([box(4, 5, 10, 20, 10, 20)], (9, 64, 64), (2, 16, 16), (1, 2, 2))
    assert region == box(2, 7, 0, 36, 0, 36)


def test_overlapping_boxes_are_read_once() -> None:
    merged = merge_boxes([box(0, 5, 0, 9, 0, 9), box(3, 8, 0, 9, 0, 9), box(20, 22, 0, 9, 0, 9)])
    assert sorted(merged, key=str) == sorted(
        [box(0, 8, 0, 9, 0, 9), box(20, 22, 0, 9, 0, 9)], key=str
    )


def test_the_border_is_mirrored_by_half_a_patch_and_held_out_paint_is_gone() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 255, (6, 20, 20)).astype(np.uint8)
    labels = np.zeros_like(image)
    labels[1], labels[4] = 1, 2
    volume = Volume(image)
    crop = read_crop(
        volume,
        ArrayAnnotations(labels),
        box(0, 6, 0, 20, 0, 20),
        intensity=measure_intensity(volume),
        classes=ClassTable.from_values([1, 2]),
        plan=TrainPlan(
            network=NetworkConfig(), features=FeatureConfig(sigmas=(1.0,)), patch=(4, 8, 8)
        ),
        held_out=(4,),
    )
    assert crop.image.shape == (1, 10, 28, 28)
    assert crop.origin == (-2, -4, -4)
    assert set(np.unique(crop.labels)) == {-1, 0}
    np.testing.assert_array_equal(crop.image[0, 1], crop.image[0, 3])  # mirrored about slice 0
    offset, gain = measure_features([crop])
    bank = crop.features
    assert bank is not None
    np.testing.assert_allclose(bank.float().mean((1, 2, 3)), offset, atol=1e-3)
    np.testing.assert_allclose(1 / bank.float().std((1, 2, 3)), gain, rtol=1e-2)


def test_features_across_slices_are_those_of_the_whole_volume() -> None:
    image = np.random.default_rng(0).normal(100, 20, (20, 24, 24)).astype(np.float32)
    labels = np.zeros(image.shape, np.uint8)
    labels[3, :, :12], labels[3, :, 12:] = 1, 2
    volume, region = Volume(image), box(1, 6, 0, 24, 0, 24)
    features = FeatureConfig(sigmas=(1.0, 1.6), depth=1)
    known = {
        "intensity": measure_intensity(volume),
        "classes": ClassTable.from_values([1, 2]),
        "plan": TrainPlan(network=NetworkConfig(), features=features, patch=(1, 8, 8)),
    }
    crop = read_crop(volume, ArrayAnnotations(labels), region, **known)
    whole = compute_features(normalise(volume.read(), known["intensity"])[0], features)
    assert crop.features is not None
    inner = slice(4, 28)  # half a patch around is mirrored
    assert crop.image.shape == (1, 5, 32, 32)
    np.testing.assert_allclose(crop.features[:, 2, 8:24, 8:24], whole[:, 3, 4:20, 4:20], atol=0.02)
    labels[5] = 1
    again = repaint_crop(
        crop, volume, ArrayAnnotations(labels), region, **known, scale=lambda rows: rows
    )
    assert (again.labels[4, inner, inner] == 0).all()
    assert again.features is not None
    np.testing.assert_allclose(again.features[:, 4, 8:24, 8:24], whole[:, 5, 4:20, 4:20], atol=0.02)


def test_only_what_lies_around_paint_is_read() -> None:
    class Counting:
        shape, dtype = (400, 64, 64), np.dtype(np.uint8)
        read = 0

        def __getitem__(self, key: BOX) -> np.ndarray:
            out = np.empty(self.shape, np.bool_)[key].astype(np.uint8)
            self.read += out.size
            return out

    source = Counting()
    labels = np.zeros(source.shape, np.uint8)
    labels[200, :32], labels[200, 32:] = 1, 2
    boxes = ArrayAnnotations(labels).painted_boxes()
    (region,) = training_regions(boxes, source.shape, (3, 16, 16), (1, 1, 1))
    Volume(source).read(region)
    assert source.read == 7 * 64 * 64
