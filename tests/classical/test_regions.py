"""Regions are named by their paint, or by those most like them."""

import numpy as np

from napari_densify.classical.regions import classify_regions, describe_regions
from napari_densify.classical.run import make_task
from napari_densify.core.volume import Volume


def test_mean_and_deviation_of_each_region():
    regions = np.array([0, 0, 1, 1, 1])
    image = np.array([1, 3, 5, 5, 5], np.float32)
    np.testing.assert_allclose(describe_regions(regions, [image]), [[2, 1], [5, 0]])


def test_paint_first_then_likeness():
    image = np.array([[[10, 10, 90, 90, 12, 12, 88, 88]]], np.float32)
    regions = np.array([[[3, 3, 5, 5, 7, 7, 9, 9]]])
    paint = np.array([[[1, 0, 2, 0, 0, 0, 0, 0]]], np.uint8)
    task = make_task(Volume(image), paint, None)
    assert _named(task, regions, image).tolist() == [[[1, 1, 2, 2, 1, 1, 2, 2]]]
    without = make_task(Volume(image), None, None)
    assert _named(without, regions, image).tolist() == [[[1, 1, 2, 2, 1, 1, 2, 2]]]


def _named(*arguments):
    numbers, codes = classify_regions(*arguments)
    return codes[numbers]
