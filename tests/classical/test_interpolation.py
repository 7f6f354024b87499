"""Signed-distance interpolation: shapes between slices, along all axes, by spacing."""

import numpy as np
import pytest

from napari_densify.classical import run_method
from napari_densify.classical.interpolation import painted_planes, signed_distances
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Volume


def ball(shape=(21, 30, 30), radius=10):
    grids = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij")
    return np.where(sum(g**2 for g in grids) < radius**2, 2, 1).astype(np.uint8)


def interpolate(paint, spacing=(1.0, 1.0, 1.0), classes=None, **parameters):
    volume = Volume(np.zeros(paint.shape, np.uint8), spacing)
    return run_method(
        "interpolation", volume, annotations=paint, classes=classes, parameters=parameters
    )


def test_a_disc_shrinks_linearly_between_two_slices():
    y, x = np.mgrid[:41, :41]
    radius = np.hypot(y - 20, x - 20)
    paint = np.zeros((5, 41, 41), np.uint8)
    paint[0] = np.where(radius < 16, 2, 1)
    paint[4] = np.where(radius < 8, 2, 1)
    labels = interpolate(paint)
    np.testing.assert_array_equal(labels[[0, 4]], paint[[0, 4]])
    assert np.sqrt((labels[2] == 2).sum() / np.pi) == pytest.approx(12, abs=0.5)


def test_position_between_slices_is_what_counts():
    paint = np.zeros((9, 1, 40), np.uint8)
    paint[0, 0] = np.where(np.arange(40) < 8, 2, 1)
    paint[8, 0] = np.where(np.arange(40) < 32, 2, 1)
    widths = (interpolate(paint)[:, 0] == 2).sum(1)
    np.testing.assert_allclose(widths, np.linspace(8, 32, 9), atol=1)


def test_beyond_the_last_slice_it_stays():
    paint = np.zeros((6, 8, 8), np.uint8)
    paint[2, :, :4], paint[2, :, 4:] = 1, 2
    np.testing.assert_array_equal(interpolate(paint), np.broadcast_to(paint[2], paint.shape))


def test_an_object_that_ends_fades_out_halfway():
    y, x = np.mgrid[:31, :31]
    disc = np.hypot(y - 15, x - 15) < 9
    paint = np.zeros((9, 31, 31), np.uint8)
    paint[0] = np.where(disc, 2, 1)
    paint[8] = 1
    areas = (interpolate(paint) == 2).sum((1, 2))
    assert areas[0] == disc.sum()
    assert (np.diff(areas) <= 0).all()
    assert areas[2] > 0
    assert areas[6:].sum() == 0


def test_a_class_that_nobody_painted_is_nowhere():
    paint = np.zeros((9, 8, 40), np.uint8)
    for z, edge in ((0, 1), (4, 39), (8, 20)):  # far from each other: both fade in between
        paint[z] = np.where(np.arange(40) < edge, 2, 3)
    labels = interpolate(paint, classes=ClassTable.from_values([1, 2, 3, 4]))
    assert set(np.unique(labels)) == {2, 3}
    painted = paint != 0
    np.testing.assert_array_equal(labels[painted], paint[painted])


def test_a_class_painted_across_z_only_is_not_lost():
    truth = ball()
    paint = np.zeros_like(truth)
    paint[[0, 20]] = 1
    paint[:, 15] = truth[:, 15]
    labels = interpolate(paint)
    np.testing.assert_array_equal(labels[:, 15], truth[:, 15])


def test_strokes_are_enough():
    paint = np.zeros((3, 20, 20), np.uint8)
    paint[0, 5, 2:18], paint[0, 15, 2:18] = 1, 2
    labels = interpolate(paint)
    assert (labels[:, :9] == 1).all()
    assert (labels[:, 12:] == 2).all()


def test_planes_along_all_axes_help():
    truth = ball()
    along_z = np.zeros_like(truth)
    along_z[[4, 16]] = truth[[4, 16]]
    crossed = along_z.copy()
    crossed[:, 15], crossed[:, :, 15] = truth[:, 15], truth[:, :, 15]
    assert painted_planes(crossed) == ((4, 16), (15,), (15,))
    both = (interpolate(crossed) == truth).mean()
    alone = (interpolate(crossed, axes="z") == truth).mean()
    assert both > max(alone, (interpolate(along_z) == truth).mean())


def test_slices_and_strokes_along_z_are_not_mistaken():
    truth = ball()
    some = np.zeros_like(truth)
    some[[3, 9, 15]] = truth[[3, 9, 15]]
    assert painted_planes(some) == ((3, 9, 15), (), ())
    block = np.zeros_like(truth)
    block[5:12, 4:20, 4:20] = 1
    assert painted_planes(block)[1:] == ((), ())


def test_distances_are_in_nm_in_the_plane():
    plane = np.ones((9, 9), np.uint8)
    plane[:, 5:] = 2
    fields = signed_distances(plane, (1, 2), spacing=(1.0, 7.0))
    assert fields[0, 4, 0] == pytest.approx(35)
    assert fields[1, 4, 0] == pytest.approx(-35)
    np.testing.assert_allclose(fields[0], -fields[1])
    assert np.isneginf(signed_distances(plane, (3,), spacing=(1, 1))).all()
